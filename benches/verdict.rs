//! What a verdict costs, in one run, on one thread: 10 MB of mixed statements (tables with their rows), 10 MB of short
//! statements of which most define structure, one INSERT of 10 MB, and 10 MB of real migrations again and again, where
//! they are there. For SQLite also what the library takes to run the short ones itself.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::time::Instant;

use schemagate::config::Dialect;
use schemagate::config::flavour::Flavour;
use schemagate::config::limits::Limits;
use schemagate::sql::split::split;
use schemagate::sql::verdict::{Bench, Verdict, judge};

const SIZE: usize = 10 << 20;

/// Definitions and changes with hardly any rows; `number` makes the names differ.
fn short(dialect: Dialect, number: usize) -> String {
    let (key, text) = match dialect {
        Dialect::Postgres => ("bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "text"),
        Dialect::Sqlite => ("INTEGER PRIMARY KEY", "TEXT"),
        Dialect::Mysql | Dialect::Mariadb => ("BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", "VARCHAR(200)"),
    };
    let n = number;
    format!(
        "CREATE TABLE customer_{n} (\n    id {key},\n    name {text} NOT NULL,\n    city {text} DEFAULT 'unknown',\n    \
         created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,\n    CONSTRAINT unique_{n} UNIQUE (name, city)\n);\n\
         CREATE INDEX by_city_{n} ON customer_{n} (city);\n-- some rows\n\
         INSERT INTO customer_{n} (name, city) VALUES ('Ada', 'London'), ('Grace', 'New York'), ('It''s', 'Paris');\n\
         UPDATE customer_{n} SET city = 'Rome' WHERE name = 'Ada' AND city <> 'London' OR name LIKE 'G%';\n\
         ALTER TABLE customer_{n} ADD COLUMN email {text};\nDELETE FROM customer_{n} WHERE city IS NULL;\nDROP TABLE customer_{n};\n"
    )
}

/// A table with its rows, as large migrations have them.
fn mixed(dialect: Dialect, number: usize) -> String {
    let row = |row: usize| format!("('name {row}', 'city {row}''s {number}')");
    let insert = |from: usize| {
        let rows: Vec<String> = (from..from + 20).map(row).collect();
        format!("INSERT INTO customer_{number} (name, city) VALUES\n    {};\n", rows.join(",\n    "))
    };
    let rows: String = (0..5).map(|part| insert(part * 20)).collect();
    short(dialect, number).replacen("-- some rows\n", &format!("-- some rows\n{rows}"), 1)
}

fn script(part: impl Fn(usize) -> String, size: usize) -> String {
    let mut script = String::with_capacity(size + 1000);
    let mut number = 0;
    while script.len() < size {
        script.push_str(&part(number));
        number += 1;
    }
    script
}

/// CPU seconds and peak memory of this process so far.
fn usage() -> (f64, f64) {
    let usage =
        nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).expect("usage of this process");
    let time = usage.user_time();
    (time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6, usage.max_rss() as f64 / 1024.0)
}

fn main() {
    let only: Option<Dialect> =
        std::env::args().nth(1).and_then(|word| Dialect::ALL.into_iter().find(|dialect| dialect.word() == word));
    let Some(dialect) = only else {
        // Each in a process of its own, so that peak memory is its own.
        println!(
            "| dialect | 10 MB mixed | its memory | short statements | one INSERT | its memory | real migrations |\n|---|---|---|---|---|---|---|"
        );
        let program = std::env::current_exe().expect("this program");
        for dialect in Dialect::ALL {
            let status = std::process::Command::new(&program).arg(dialect.word()).status();
            assert!(status.is_ok_and(|status| status.success()));
        }
        return;
    };
    let run = std::thread::Builder::new().stack_size(256 << 20).spawn(move || measure(dialect));
    run.expect("a thread").join().expect("no panic");
}

fn measure(dialect: Dialect) {
    let rows = |number: usize| {
        format!(
            "{}({number}, 'name {number}', 'it''s a longer text', 1.5)",
            if number == 0 { "INSERT INTO t (a, b, c, d) VALUES " } else { ", " }
        )
    };
    let mixed = script(|number| mixed(dialect, number), SIZE);
    let short = script(|number| short(dialect, number), SIZE);
    let insert = script(rows, SIZE);
    let mut costs = Vec::new();
    let (_, texts) = usage();
    for text in [&mixed, &short, &insert] {
        let (before, _) = usage();
        let wall = Instant::now();
        let unsure = judge_all(dialect, std::slice::from_ref(text));
        assert_eq!(unsure, 0, "every statement of ours is decided");
        let cpu = (usage().0 - before).max(wall.elapsed().as_secs_f64() * 0.01);
        costs.push((text.len() as f64 / 1e6 / cpu, usage().1 - texts));
    }
    let histories = real(dialect);
    let length: usize = histories.iter().flatten().map(String::len).sum();
    let (before, mut judged) = (usage().0, 0);
    while judged < SIZE && length > 0 {
        judged += length;
        for files in &histories {
            judge_all(dialect, files);
        }
    }
    let real = match length {
        0 => "not here".to_owned(),
        _ => format!("{:.0} MB/s", judged as f64 / 1e6 / (usage().0 - before)),
    };
    let speed = |at: usize| format!("{:.0} MB/s", costs[at].0);
    let memory = |at: usize| format!("{:.0} MiB", costs[at].1);
    let cells = [speed(0), memory(0), speed(1), speed(2), memory(2), real];
    println!("| {} | {} |", dialect.title(), cells.join(" | "));
    if dialect == Dialect::Sqlite {
        println!("\nThe short statements, run by SQLite itself in memory: {:.0} MB/s", run_by_sqlite(&short));
    }
}

/// Judges the files of one database, in order; returns how many statements were not decided.
fn judge_all(dialect: Dialect, files: &[String]) -> usize {
    let replay = (dialect == Dialect::Sqlite).then(schemagate::sql::sqlite::Replay::new);
    let replay = replay.map(std::cell::RefCell::new);
    let bench = Bench { flavour: dialect.into(), limits: Limits::default(), replay: replay.as_ref(), server: None };
    let mut unsure = 0;
    for text in files {
        if let Some(replay) = &replay {
            replay.borrow_mut().next_file();
        }
        for statement in &split(text, dialect) {
            let verdict = judge(text, statement, bench);
            unsure += usize::from(!matches!(verdict, Verdict::Accepted | Verdict::Refused { .. }));
        }
    }
    unsure
}

/// The histories of real projects in a folder beside this one, if it is there: the files of each, in order.
fn real(dialect: Dialect) -> Vec<Vec<String>> {
    let folder = if Flavour::from(dialect).is_mysql() { "mysql" } else { dialect.word() };
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let projects = std::fs::read_dir(top).into_iter().flatten().flatten();
    let files = |project: std::fs::DirEntry| {
        let files = std::fs::read_dir(project.path().join(folder)).into_iter().flatten().flatten();
        let mut files: Vec<_> = files.map(|file| file.path()).collect();
        files.retain(|file| file.to_string_lossy().ends_with(".up.sql"));
        files.sort();
        files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect()
    };
    projects.map(files).collect()
}

/// How fast the library alone runs a script, in MB/s of CPU time.
fn run_by_sqlite(script: &str) -> f64 {
    let connection = rusqlite::Connection::open_in_memory().expect("SQLite");
    let (before, _) = usage();
    connection.execute_batch(script).expect("SQLite runs it");
    script.len() as f64 / 1e6 / (usage().0 - before)
}
