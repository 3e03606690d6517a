//! What a push costs: no hook, an empty compiled hook, ours; and what `check` costs.
//!
//! `cargo bench --bench push` runs all of it in one go and prints medians of interleaved runs, so that the machine's
//! mood is the same for everything that is compared. CPU time is user and system time of `git push` and all of its
//! children, hooks and workers included.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends at the first surprise")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

const PROGRAM: &str = env!("CARGO_BIN_EXE_schemagate");
const RUNS: usize = 21;
const MANIFEST: &str = "[[project]]\nname = \"shop\"\nbase-directory = \"db\"\nfile-path-template = \"{{DB_NAME}}/{{VERSION}}##{{TYPE}}##{{DESCRIPTION}}.sql\"\ndialect = \"sqlite\"\n";
const JUDGE_ONLY: &str = "branches = [\"main\"]\n";
const ONE_TARGET: &str = "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n[[target]]\nenvironment = \"dev\"\ndatabase = \"d00\"\nurl = \"sqlite:d00.sqlite\"\n";

/// Time of one run.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
}

fn main() {
    if let Some(command) = std::env::args().nth(1).filter(|first| first == "--peak").and(std::env::args().nth(2)) {
        return print_peak(&command);
    }
    let folder = tempfile::tempdir().unwrap();
    let empty = empty_hook(folder.path());
    println!("medians of {RUNS} interleaved runs; CPU and wall in ms\n");
    println!("one new migration is pushed       CPU   wall   CPU over (b)   ratio to (b)");
    for (files, folders) in [(100, 10), (10_000, 100), (100_000, 100)] {
        push(folder.path(), &empty, files, folders);
    }
    check(folder.path());
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(u64::try_from(value.tv_sec()).unwrap(), u32::try_from(value.tv_usec()).unwrap() * 1000)
    };
    time(usage.user_time()) + time(usage.system_time())
}

fn measured(command: &mut Command) -> Cost {
    let (before, started) = (cpu(), Instant::now());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let cost = Cost { wall: started.elapsed(), cpu: cpu() - before };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    cost
}

fn median(costs: &[Cost], of: fn(&Cost) -> Duration) -> f64 {
    let mut times: Vec<Duration> = costs.iter().map(of).collect();
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for name in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{name}_NAME"), "a").env(format!("GIT_{name}_EMAIL"), "a@example.org");
    }
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A compiled hook that reads its input and does nothing.
fn empty_hook(folder: &Path) -> PathBuf {
    let source = folder.join("empty.rs");
    let program = folder.join("empty");
    std::fs::write(
        &source,
        "fn main() { let mut all = Vec::new(); let _ = std::io::Read::read_to_end(&mut std::io::stdin(), &mut all); }",
    )
    .unwrap();
    run(Command::new("rustc").arg("-O").arg("-o").arg(&program).arg(&source));
    program
}

/// Makes a bare repository with so many migrations, and commits that each add one more.
fn repository(folder: &Path, files: usize, folders: usize) -> (PathBuf, Vec<String>) {
    let bare = folder.join(format!("{files}.git"));
    run(git(folder).args(["init", "-q", "--bare", "-b", "main"]).arg(&bare));
    let mut stream = String::from("commit refs/heads/main\ncommitter a <a@example.org> 1700000000 +0000\ndata 1\nx\n");
    let mut add = |path: &str, text: &str| {
        let _ = write!(stream, "M 100644 inline \"{path}\"\ndata {}\n{text}\n", text.len());
    };
    add("schemagate.toml", MANIFEST);
    for number in 0..files {
        let (database, version) = (number % folders, number / folders + 1);
        add(
            &format!("db/d{database:02}/{version:05}##ddl##create.sql"),
            &format!("CREATE TABLE t{version} (id INTEGER PRIMARY KEY);"),
        );
    }
    for run in 0..RUNS {
        let version = files / folders + 1 + run;
        let from = if run == 0 { "from refs/heads/main\n" } else { "" };
        let text = format!("CREATE TABLE n{run} (id INTEGER PRIMARY KEY);");
        let _ = write!(
            stream,
            "commit refs/heads/work\ncommitter a <a@example.org> 1700000000 +0000\ndata 1\nx\n{from}M 100644 inline \"db/d00/{version:05}##ddl##create.sql\"\ndata {}\n{text}\n",
            text.len(),
        );
    }
    let mut import = git(&bare).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
    let commits = run(git(&bare).args(["rev-list", "--reverse", "main..work"]));
    (bare, commits.lines().map(str::to_owned).collect())
}

/// A copy of a repository as a server: only main, its hooks as given.
fn server(from: &Path, name: &str, install: &dyn Fn(&Path)) -> PathBuf {
    let to = from.with_extension(name);
    run(git(from.parent().unwrap())
        .args(["clone", "-q", "--bare", "--single-branch", "-b", "main"])
        .arg(from)
        .arg(&to));
    run(git(&to).args(["config", "receive.autogc", "false"]));
    let hooks = to.join("hooks");
    let _ = std::fs::remove_dir_all(&hooks);
    std::fs::create_dir_all(&hooks).unwrap();
    install(&to);
    to
}

fn ours(server_file: &'static str) -> impl Fn(&Path) {
    move |server: &Path| {
        let file = server.join("schemagate-server.toml");
        std::fs::write(&file, server_file).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        run(Command::new(PROGRAM).arg("install").arg(server));
        run(Command::new(PROGRAM).arg("apply").arg("-C").arg(server));
    }
}

fn push(folder: &Path, empty: &Path, files: usize, folders: usize) {
    let (source, commits) = repository(folder, files, folders);
    let no_hook = |_: &Path| {};
    let empty_hook = |server: &Path| {
        for hook in ["pre-receive", "post-receive"] {
            std::fs::copy(empty, server.join("hooks").join(hook)).unwrap();
        }
    };
    let servers = [
        ("(a) no hook", server(&source, "none", &no_hook)),
        ("(b) empty compiled hooks", server(&source, "empty", &empty_hook)),
        ("(c) ours", server(&source, "ours", &ours(JUDGE_ONLY))),
        ("(d) ours, and applied", server(&source, "applied", &ours(ONE_TARGET))),
    ];
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); servers.len()];
    for commit in &commits {
        for (index, (_, server)) in servers.iter().enumerate() {
            let refspec = format!("{commit}:refs/heads/main");
            costs[index].push(measured(git(&source).args(["push", "-q"]).arg(server).arg(&refspec)));
        }
    }
    println!("{files} migrations in {folders} folders");
    let base = median(&costs[1], |cost| cost.cpu);
    for ((name, _), costs) in servers.iter().zip(&costs) {
        let (cpu, wall) = (median(costs, |cost| cost.cpu), median(costs, |cost| cost.wall));
        println!("  {name:<28} {cpu:>7.1} {wall:>6.1} {:>14.1} {:>14.2}", cpu - base, cpu / base);
    }
    println!("  peak memory of (c)           {} MiB", peak(&servers[2].1, &commits));
}

/// Peak memory of the pre-receive hook, in MiB: the last push once more, in a process that has no other child.
fn peak(server: &Path, commits: &[String]) -> String {
    let line = format!("{} {} refs/heads/main", commits[RUNS - 2], commits[RUNS - 1]);
    let script = format!("cd '{}' && echo '{line}' | GIT_DIR=. exec '{PROGRAM}' hook pre-receive", server.display());
    run(Command::new(std::env::current_exe().unwrap()).args(["--peak", &script]))
}

fn print_peak(script: &str) {
    let status = Command::new("sh").arg("-c").arg(script).status().unwrap();
    assert!(status.success());
    let kibibytes = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    println!("{:.1}", kibibytes as f64 / 1024.0);
}

fn check(folder: &Path) {
    let many = folder.join("many");
    std::fs::create_dir_all(many.join("db/shop")).unwrap();
    std::fs::write(many.join("schemagate.toml"), MANIFEST).unwrap();
    for number in 1..=1_000 {
        let text = format!(
            "CREATE TABLE t{number} (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\nCREATE INDEX i{number} ON t{number} (name);\n"
        );
        std::fs::write(many.join(format!("db/shop/{number}##ddl##create.sql")), text).unwrap();
    }
    println!("\ncheck                              CPU   wall");
    let costs: Vec<Cost> = (0..5).map(|_| measured(Command::new(PROGRAM).arg("check").arg(&many))).collect();
    let name = "1,000 files of two statements";
    println!("  {name:<28} {:>7.1} {:>6.1}", median(&costs, |cost| cost.cpu), median(&costs, |cost| cost.wall));
}
