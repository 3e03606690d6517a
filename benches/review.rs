//! What `check` costs for PostgreSQL, and beside it `squawk` (the environment variable SQUAWK names its program), in one
//! run, in CPU time and peak memory of the processes: one small file, 1,000 small files, and one file of 10 and of 100 MB.
//! Then one new migration behind 10,000 of the same database, whose schema must be known: for the first time, and again.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it starts programs and reads one variable")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs of which the best counts.
const RUNS: usize = 5;

/// CPU seconds of a program with its children, and its peak memory in MiB: the best of some runs.
///
/// Each run is a process of its own that runs the program and says what it took, so that peaks do not mix.
fn cost(folder: &Path, program: &Path, arguments: &[String], runs: usize) -> (f64, f64) {
    let mut best = (f64::MAX, f64::MAX);
    for _ in 0..runs {
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        let output = child.arg("--measure").arg(program).args(arguments).current_dir(folder).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut numbers = text.split_whitespace().filter_map(|word| word.parse::<f64>().ok());
        let found = (numbers.next().expect("CPU"), numbers.next().expect("memory"));
        best = (best.0.min(found.0), best.1.min(found.1));
    }
    best
}

/// Runs a program and prints its CPU seconds and peak memory.
fn measure(program: &OsString, arguments: &[OsString]) {
    let mut command = Command::new(program);
    // Errors keep no trace of where they arose, as for everybody who does not ask for it.
    let _ = command.args(arguments).env_remove("RUST_BACKTRACE").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).expect("usage");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    println!("{} {}", seconds(usage.user_time()) + seconds(usage.system_time()), usage.max_rss() as f64 / 1024.0);
}

/// A few statements as migrations have them, some of them found fault with.
fn part(number: usize) -> String {
    let n = number;
    let rows: Vec<String> = (0..20).map(|row| format!("({row}, 'name {row}', 'it''s {n}')")).collect();
    format!(
        "CREATE TABLE customer_{n} (\n    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    name text NOT NULL,\n    \
         city text DEFAULT 'unknown',\n    created_at timestamptz NOT NULL DEFAULT now()\n);\n\
         CREATE INDEX by_city_{n} ON customer_{n} (city);\n\
         INSERT INTO customer_{n} (id, name, city) VALUES\n    {};\n\
         UPDATE customer_{n} SET city = 'Rome' WHERE name = 'Ada' AND city <> 'London';\n\
         ALTER TABLE customer_{n} ADD COLUMN email text;\n\
         CREATE INDEX old_{n} ON older_{n} (city);\n",
        rows.join(",\n    ")
    )
}

fn large(size: usize) -> String {
    let mut text = String::with_capacity(size + 4096);
    let mut number = 0;
    while text.len() < size {
        text.push_str(&part(number));
        number += 1;
    }
    text
}

const MANIFEST: &str = "[[project]]\nbase-directory = \"db\"\nlargest-file = \"200 MiB\"\n\
    file-path-template = \"{{DB_NAME}}##{{VERSION}}##{{TYPE}}##{{DESCRIPTION}}.sql\"\n\
    [project.databases.shop]\ndialect = \"postgres\"\nversion = \"15\"\n\
    [project.rules]\ntype-mismatch = \"off\"\n[project.limits]\nstatements = 10000000\ntime = \"10m\"\n";

/// One of many earlier migrations: every fourth makes a table, the others change it and fill it.
fn earlier(dialect: &str, number: usize) -> String {
    let (n, before) = (number / 4, (number / 4).saturating_sub(1));
    let key = match dialect {
        "postgres" => "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "sqlite" => "INTEGER PRIMARY KEY",
        _ => "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
    };
    match number % 4 {
        0 => format!(
            "CREATE TABLE customer_{n} (\n    id {key},\n    name VARCHAR(200) NOT NULL,\n    city VARCHAR(200),\n    \
             note VARCHAR(200),\n    parent BIGINT,\n    CONSTRAINT parent_{n} FOREIGN KEY (parent) REFERENCES customer_{before} (id)\n);\n\
             CREATE INDEX by_city_{n} ON customer_{n} (city);\nCREATE INDEX by_parent_{n} ON customer_{n} (parent);\n"
        ),
        1 => format!(
            "ALTER TABLE customer_{n} ADD COLUMN email VARCHAR(200);\nCREATE INDEX by_mail_{n} ON customer_{n} (email);\n"
        ),
        2 => format!("INSERT INTO customer_{n} (name, city) VALUES ('Ada', 'London'), ('Grace', 'New York');\n"),
        _ => format!(
            "ALTER TABLE customer_{n} DROP COLUMN note;\nUPDATE customer_{n} SET email = name WHERE email IS NULL;\n"
        ),
    }
}

/// One new migration behind many, in a repository, as a commit checks it.
fn behind_many(top: &Path, ours: &Path, dialect: &str) {
    const EARLIER: usize = 10_000;
    let newest = std::iter::once("ALTER TABLE customer_7 ADD COLUMN phone VARCHAR(20);\n".to_owned());
    let all = (0..EARLIER).map(|number| earlier(dialect, number)).chain(newest);
    let (folder, files) = folder(top, dialect, all);
    let manifest = MANIFEST.replace("\"postgres\"\nversion = \"15\"", &format!("\"{dialect}\""));
    std::fs::write(folder.join("schemagate.toml"), manifest).expect("a manifest");
    let git = |arguments: &[&str]| {
        let status = Command::new("git").args(arguments).current_dir(&folder).status();
        assert!(status.is_ok_and(|status| status.success()), "git {arguments:?}");
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["reset", "--quiet", "--", &files[EARLIER]]);
    git(&["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "earlier"]);
    git(&["add", "."]);
    let arguments = ["check".to_owned(), "--staged".to_owned()];
    let (first, memory) = cost(&folder, ours, &arguments, 1);
    let (again, _) = cost(&folder, ours, &arguments, 3);
    println!("| {dialect} | {:.0} | {memory:.0} | {:.0} |", first * 1e3, again * 1e3);
}

fn folder(top: &Path, name: &str, files: impl Iterator<Item = String>) -> (PathBuf, Vec<String>) {
    let folder = top.join(name);
    std::fs::create_dir_all(folder.join("db")).expect("a folder");
    std::fs::write(folder.join("schemagate.toml"), MANIFEST).expect("a manifest");
    let write = |(number, text): (usize, String)| {
        let path = format!("db/shop##{number:06}##ddl##part.sql");
        std::fs::write(folder.join(&path), text).expect("a file");
        path
    };
    let paths = files.enumerate().map(write).collect();
    (folder, paths)
}

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|word| word == "--measure") {
        let program = arguments.next().expect("a program");
        measure(&program, &arguments.collect::<Vec<_>>());
        return;
    }
    let ours = PathBuf::from(env!("CARGO_BIN_EXE_schemagate"));
    let squawk = std::env::var_os("SQUAWK").map(PathBuf::from);
    let top = tempfile::tempdir().expect("a folder");
    println!("| | ours, CPU ms | peak MiB | squawk, CPU ms | peak MiB | ratio |\n|---|---|---|---|---|---|");
    let row = |name: &str, folder: &Path, check: &[&str], files: &[String], reporter: &str, runs: usize| {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mine = cost(folder, &ours, &words(check), runs);
        let theirs = squawk.as_ref().filter(|_| !reporter.is_empty()).map(|program| {
            let mut arguments = words(&["--reporter", reporter, "--pg-version", "15"]);
            arguments.extend_from_slice(files);
            cost(folder, program, &arguments, runs)
        });
        let theirs = theirs.map_or_else(
            || "| | |".to_owned(),
            |(time, memory)| format!("| {:.1} | {memory:.0} | {:.2} |", time * 1e3, mine.0 / time),
        );
        println!("| {name} | {:.1} | {:.0} {theirs}", mine.0 * 1e3, mine.1);
        mine.0
    };
    let (small, files) = folder(top.path(), "small", std::iter::once(part(1)));
    row("one small file", &small, &["check", &files[0]], &files, "Tty", RUNS);
    let (many, files) = folder(top.path(), "many", (0..1_000).map(part));
    row("1,000 small files", &many, &["check"], &files, "Tty", RUNS);
    let (ten, files) = folder(top.path(), "ten", std::iter::once(large(10 << 20)));
    let json = row("10 MB, JSON", &ten, &["check", "--format", "json"], &files, "Json", 2);
    // Its reports for people of such a file do not end within a hundred seconds.
    let human = row("10 MB, for people", &ten, &["check"], &files, "", 2);
    println!("| for people over JSON | {:.2} | | | | |", human / json);
    let (hundred, files) = folder(top.path(), "hundred", std::iter::once(large(100 << 20)));
    let long = row("100 MB, JSON", &hundred, &["check", "--format", "json"], &files, "", 1);
    println!("| 100 MB over 10 MB | {:.1} | | | | |", long / json);
    println!("\n| behind 10,000 migrations | first, CPU ms | peak MiB | again, CPU ms |\n|---|---|---|---|");
    for dialect in ["postgres", "mariadb", "sqlite"] {
        behind_many(top.path(), &ours, dialect);
    }
}
