//! What applying costs, against each engine's own client in one session with a transaction per file.
//!
//! `cargo bench --bench apply` starts private servers (on disk, with their usual durability), runs everything
//! interleaved in one go and prints the median wall time of several runs and the ratio to the floor.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a benchmark prints, and ends at the first surprise"
)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use schemagate::config::Dialect;
use schemagate::engine::tables::{Column, MIGRATION};

#[path = "../tests/all/servers.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod servers;

const PROGRAM: &str = env!("CARGO_BIN_EXE_schemagate");
const FILES: usize = 1000;
const TENANTS: usize = 1000;
const RUNS: usize = 9;
/// The word under which the benchmark runs itself.
const PEAK: &str = "--peak";

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn timed(command: &mut Command) -> Duration {
    let begun = Instant::now();
    succeed(command);
    begun.elapsed()
}

fn fed(command: &mut Command, input: &str) -> Duration {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    begun.elapsed()
}

/// Three statements of one migration.
fn migration(number: usize, rows_only: bool) -> String {
    if rows_only {
        return format!(
            "INSERT INTO t VALUES ({number}, 'a');\nINSERT INTO t VALUES ({number}, 'b');\nUPDATE t SET name = 'c' WHERE id = {number} AND name = 'a';\n"
        );
    }
    format!(
        "CREATE TABLE t{number} (id INTEGER PRIMARY KEY, name VARCHAR(50));\nCREATE INDEX i{number} ON t{number} (name);\nINSERT INTO t{number} VALUES (1, 'a');\n"
    )
}

/// A bare repository with so many migrations of one dialect; `group` makes it one for tenants.
fn repository(folder: &Path, dialect: &str, files: &[String], kind: &str, group: bool) -> PathBuf {
    let bare = folder.join(format!("{dialect}-{kind}-{}.git", files.len()));
    succeed(Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(&bare));
    let (name, template) = if group {
        ("group = \"shops\"", "{{VERSION}}##{{TYPE}}##x.sql")
    } else {
        ("", "{{DB_NAME}}/{{VERSION}}##{{TYPE}}##x.sql")
    };
    let manifest = format!(
        "[[project]]\nname = \"shop\"\nbase-directory = \"db\"\n{name}\nfile-path-template = \"{template}\"\ndialect = \"{dialect}\"\n"
    );
    let mut stream = String::from("commit refs/heads/main\ncommitter a <a@example.org> 1700000000 +0000\ndata 1\nx\n");
    let mut add = |path: &str, text: &str| {
        let _ = write!(stream, "M 100644 inline \"{path}\"\ndata {}\n{text}\n", text.len());
    };
    add("schemagate.toml", &manifest);
    for (number, text) in files.iter().enumerate() {
        let folder = if group { "" } else { "shop/" };
        add(&format!("db/{folder}{number:05}##{kind}##x.sql"), text);
    }
    let mut import = Command::new("git");
    let mut import =
        import.arg("-C").arg(&bare).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
    bare
}

fn server_file(bare: &Path, keys: &str) {
    let _ = std::fs::remove_dir_all(bare.join("schemagate"));
    let path = bare.join("schemagate-server.toml");
    let text = format!("branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n{keys}\n");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn target(bare: &Path, url: &str, atomic: &str) {
    server_file(
        bare,
        &format!("[[target]]\nenvironment = \"dev\"\ndatabase = \"shop\"\nurl = \"{url}\"\natomic = \"{atomic}\""),
    );
}

fn apply(bare: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("apply").current_dir(bare);
    command
}

/// The median: a client and its server that happen to share a processor take half the time of those that do not, so that
/// the best of several runs says which of two programs had more luck.
fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn line(what: &str, ours: &[Duration], floor: &[Duration]) {
    println!("| {what} | {:.0} | {:.0} | {:.2} |", median(ours), median(floor), median(ours) / median(floor));
}

fn with_transactions(files: &[String], begin: &str) -> String {
    files.iter().map(|file| format!("{begin};\n{file}COMMIT;\n")).collect()
}

/// The same with a row like that of our history in each transaction: what a record costs whoever writes one.
fn with_records(files: &[String], begin: &str, dialect: Dialect) -> String {
    let value = |column: Column, number: usize| match column {
        Column::Number => number.to_string(),
        Column::Text(most) => format!("'{number:0width$}'", width = usize::from(most.min(40))),
        Column::Long => format!("'{number:048}'"),
    };
    let mut text = format!("{};\n", MIGRATION.create(dialect, ""));
    for (number, file) in files.iter().enumerate() {
        let values: Vec<String> = MIGRATION.columns.iter().map(|(_, column)| value(*column, number)).collect();
        let row = format!("INSERT INTO {} VALUES ({})", MIGRATION.name, values.join(", "));
        let _ = write!(text, "{begin};\n{file}{row};\nCOMMIT;\n");
    }
    text
}

fn sqlite(folder: &Path) {
    let files: Vec<String> = (0..FILES).map(|number| migration(number, false)).collect();
    let bare = repository(folder, "sqlite", &files, "ddl", false);
    let (mut ours, mut floor, mut batch, mut noop, mut records, mut whole) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        for (atomic, times) in [("file", &mut ours), ("push", &mut batch)] {
            let _ = std::fs::remove_file(bare.join("x.sqlite"));
            target(&bare, "sqlite:x.sqlite", atomic);
            times.push(timed(&mut apply(&bare)));
        }
        noop.push(timed(&mut apply(&bare)));
        let path = folder.join("floor.sqlite");
        let _ = std::fs::remove_file(&path);
        floor.push(fed(Command::new("sqlite3").arg(&path), &with_transactions(&files, "BEGIN IMMEDIATE")));
        std::fs::remove_file(&path).unwrap();
        let script = with_records(&files, "BEGIN IMMEDIATE", Dialect::Sqlite);
        records.push(fed(Command::new("sqlite3").arg(&path), &script));
        std::fs::remove_file(&path).unwrap();
        let script = format!("BEGIN IMMEDIATE;\n{}COMMIT;\n", files.concat());
        whole.push(fed(Command::new("sqlite3").arg(&path), &script));
    }
    line("SQLite, a transaction per file", &ours, &floor);
    line("— against a floor that records", &ours, &records);
    line("SQLite, atomic = \"push\"", &batch, &floor);
    line("— sqlite3 itself, all in one transaction", &whole, &floor);
    println!("| nothing to do, 1,000 files | {:.0} | | |", median(&noop));
    let _ = std::fs::remove_file(bare.join("x.sqlite"));
    target(&bare, "sqlite:x.sqlite", "file");
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let peak = succeed(alone.arg(PEAK).current_dir(&bare));
    println!("| peak memory of the first, MiB | {:.1} | | |", peak.parse::<f64>().unwrap() / 1024.0);
}

fn postgres(folder: &Path) {
    let files: Vec<String> = (0..FILES).map(|number| migration(number, false)).collect();
    let bare = repository(folder, "postgres", &files, "ddl", false);
    let socket = servers::postgres().folder.display().to_string();
    let psql = |database: &str| {
        let mut command = Command::new("psql");
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h", &socket, database]);
        command
    };
    let (mut ours, mut floor, mut records) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        for name in [format!("ours{run}"), format!("floor{run}"), format!("records{run}")] {
            succeed(psql("postgres").args(["-c", &format!("CREATE DATABASE {name}")]));
        }
        target(&bare, &format!("postgres://postgres@localhost/ours{run}?host={socket}"), "file");
        ours.push(timed(&mut apply(&bare)));
        floor.push(fed(&mut psql(&format!("floor{run}")), &with_transactions(&files, "BEGIN")));
        let script = with_records(&files, "BEGIN", Dialect::Postgres);
        records.push(fed(&mut psql(&format!("records{run}")), &script));
    }
    line("PostgreSQL, a transaction per file", &ours, &floor);
    line("— against a floor that records", &ours, &records);
}

fn mariadb(folder: &Path) {
    let socket = servers::mariadb().folder.join("s").display().to_string();
    let client = |database: &str| {
        let mut command = Command::new("mariadb");
        command.args(["--no-defaults", "-u", "root", &format!("--socket={socket}"), database]);
        command
    };
    for (rows_only, what) in
        [(true, "MariaDB, rows, a transaction per file"), (false, "MariaDB, definitions (journal)")]
    {
        let files: Vec<String> = (0..FILES).map(|number| migration(number, rows_only)).collect();
        let bare = repository(folder, "mariadb", &files, if rows_only { "dml" } else { "ddl" }, false);
        let (mut ours, mut floor, mut records) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..RUNS {
            for name in [format!("ours{run}"), format!("floor{run}"), format!("records{run}")] {
                let sql = format!(
                    "DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}; CREATE TABLE {name}.t (id INT, name VARCHAR(50), KEY (id))"
                );
                succeed(client("").args(["-e", &sql]));
            }
            target(&bare, &format!("mariadb://root@localhost/ours{run}?socket={socket}"), "file");
            ours.push(timed(&mut apply(&bare)));
            floor.push(fed(&mut client(&format!("floor{run}")), &with_transactions(&files, "BEGIN")));
            let script = with_records(&files, "BEGIN", Dialect::Mariadb);
            records.push(fed(&mut client(&format!("records{run}")), &script));
        }
        line(what, &ours, &floor);
        line("— against a floor that records", &ours, &records);
    }
}

fn tenants(folder: &Path) {
    let file = migration(0, false);
    let bare = repository(folder, "sqlite", std::slice::from_ref(&file), "ddl", true);
    let script = folder.join("tenant.sql");
    std::fs::write(&script, format!("BEGIN;\n{file}COMMIT;\n")).unwrap();
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        for name in ["tenants", "floor"] {
            let _ = std::fs::remove_dir_all(bare.join(name));
            std::fs::create_dir(bare.join(name)).unwrap();
        }
        let names: Vec<String> = (0..TENANTS).map(|number| format!("\"s{number}\"")).collect();
        server_file(
            &bare,
            &format!(
                "[[tenants]]\nenvironment = \"dev\"\ngroup = \"shops\"\nurl = \"sqlite:tenants/{{{{database}}}}.db\"\nwave = 1000\nparallel = 8\ndatabases = [{}]",
                names.join(", ")
            ),
        );
        ours.push(timed(&mut apply(&bare)));
        let all = format!("seq 0 {} | xargs -P 8 -I@ sh -c 'sqlite3 floor/@.db < {}'", TENANTS - 1, script.display());
        floor.push(timed(Command::new("sh").args(["-c", &all]).current_dir(&bare)));
    }
    line("1,000 tenants, SQLite; floor: 8 sqlite3 at once", &ours, &floor);
}

/// Applies in this folder and prints the peak memory of the program in KiB; a process of its own, so that peaks do not mix.
fn peak() {
    succeed(&mut apply(Path::new(".")));
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).unwrap();
    println!("{}", usage.max_rss());
}

fn main() {
    if std::env::args().any(|word| word == PEAK) {
        return peak();
    }
    servers::DURABLE.store(true, std::sync::atomic::Ordering::Relaxed);
    let folder = tempfile::tempdir().unwrap();
    println!("| 1,000 migrations of three statements | ours, ms | floor, ms | ratio |\n|---|---|---|---|");
    sqlite(folder.path());
    postgres(folder.path());
    mariadb(folder.path());
    tenants(folder.path());
}
