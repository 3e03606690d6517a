//! What the rules claim, asked of live servers: that good files and safe ways run, what a statement locks, which tables
//! it writes anew, and which it copies.

use std::fmt::Write as _;

use schemagate::finding::Rule;

use crate::databases::{Database, Engine};
use crate::reviews::{Case, cases, review, reviewed, safe_ways};
use crate::support::World;

/// The engine that a case is for, where the test run has one of that release.
fn engine(case: &Case) -> Option<Engine> {
    match case.engine.as_str() {
        "postgres" | "postgres 15" => Some(Engine::Postgres),
        "mariadb" => Some(Engine::Mariadb),
        "mysql" => Engine::mysqls().into_iter().find(|engine| *engine == Engine::Mysql),
        "sqlite" => Some(Engine::Sqlite),
        _ => None,
    }
}

/// An empty database with what ran before a case.
fn before(engine: Engine, world: &World, case: &Case) -> Database {
    let database = engine.database();
    database.run(world, &case.earlier).unwrap_or_else(|said| panic!("{}{}: {said}", case.place(), case.earlier));
    database
}

#[test]
fn good_files_and_safe_ways_run() {
    let world = World::empty();
    let (mut ran, mut wrong) = (0, String::new());
    for rule in reviewed() {
        for case in cases(rule.name) {
            let Some(engine) = engine(&case) else { continue };
            let ways = if case.bad { safe_ways(&case, rule) } else { vec![vec![case.sql.clone()]] };
            for way in ways {
                let database = before(engine, &world, &case);
                for file in &way {
                    ran += 1;
                    if let Err(said) = database.run(&world, file) {
                        let _ = writeln!(wrong, "{} {}: {file}{said}\n", rule.name, case.place());
                    }
                }
                database.remove(&world);
            }
        }
    }
    println!("{ran} files ran");
    assert!(wrong.is_empty() && ran > 140, "{wrong}");
}

/// The words at the token of what a rule finds in a case.
fn labels(case: &Case, rule: &'static Rule) -> Vec<String> {
    let report = review(case, Some(rule), std::slice::from_ref(&case.sql)).remove(0);
    let mine = report.findings().iter().filter(|finding| finding.rule == rule);
    mine.filter_map(|finding| finding.label.clone().map(std::borrow::Cow::into_owned)).collect()
}

/// Rules that say a table of PostgreSQL is written anew.
const WRITTEN_ANEW: [&str; 3] = ["add-column-rewrite", "change-column-type", "table-rewrite"];

/// The rows of each table, where they are kept, and its indexes: another one after it was written anew.
const FILES: &str = "SELECT string_agg(relname || ':' || relfilenode, ' ' ORDER BY relname) FROM pg_class \
                     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname IN ('users', 'teams')";

#[test]
fn postgres_locks_and_writes_what_the_rules_say() {
    let world = World::empty();
    let (mut asked, mut wrong) = (0, String::new());
    for rule in reviewed() {
        for case in cases(rule.name).iter().filter(|case| engine(case) == Some(Engine::Postgres)) {
            let alone = case.sql.starts_with("-- schemagate: no-transaction") || case.sql.contains("CONCURRENTLY");
            let strong = case.bad.then(|| labels(case, rule)).into_iter().flatten().next().unwrap_or_default();
            let lock =
                ["ACCESS EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE"].into_iter().find(|name| strong.contains(name));
            let anew = WRITTEN_ANEW.contains(&rule.name) && !case.sql.contains("elsewhere");
            if (lock.is_none() || alone) && !anew {
                continue;
            }
            let database = before(Engine::Postgres, &world, case);
            let rows = "INSERT INTO users (name, email, age) VALUES ('a', 'a@b', 20);";
            if anew {
                database.run(&world, rows).unwrap();
                let was = database.ask(&world, FILES);
                database.run(&world, &case.sql).unwrap();
                asked += 1;
                if (was != database.ask(&world, FILES)) != case.bad {
                    let _ = writeln!(
                        wrong,
                        "{} {}: {was} and then {}",
                        rule.name,
                        case.place(),
                        database.ask(&world, FILES)
                    );
                }
            } else if let Some(lock) = lock {
                let mode: String =
                    lock.split(' ').map(|word| word[..1].to_owned() + &word[1..].to_lowercase()).collect();
                let held = format!(
                    "BEGIN;\n{}\nSELECT 'held ' || c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
                     WHERE l.pid = pg_backend_pid() AND l.mode = '{mode}Lock' AND c.relkind IN ('r', 'p', 'm') \
                     AND c.relnamespace = 'public'::regnamespace;\nROLLBACK;",
                    case.sql
                );
                let said = database.run(&world, &held).unwrap_or_else(|said| panic!("{}: {said}", case.place()));
                asked += 1;
                if !said.contains("held ") {
                    let _ = writeln!(wrong, "{} {}: no {mode} in {said}", rule.name, case.place());
                }
            }
            database.remove(&world);
        }
    }
    println!("{asked} statements asked of PostgreSQL");
    assert!(wrong.is_empty() && asked > 25, "{wrong}");
}

#[test]
fn mariadb_and_mysql_copy_what_the_rules_say() {
    let world = World::empty();
    let (mut asked, mut wrong) = (0, String::new());
    let rule = |name: &str| reviewed().into_iter().find(|rule| rule.name == name).unwrap();
    let (names, refused) = (["mysql-table-copy", "change-column-type"].map(rule), rule("mysql-unsafe-default"));
    for (engine, rule) in Engine::mysqls().into_iter().flat_map(|engine| names.map(|rule| (engine, rule))) {
        for case in cases(rule.name).iter().filter(|case| case.engine == "mariadb") {
            // What is new is copied too, and nobody waits for it.
            let one = case.sql.trim_end().trim_end_matches(';');
            if one.contains(';') || one.contains("ALGORITHM") {
                continue;
            }
            let mut case = case.clone();
            case.engine = engine.dialect().to_owned();
            if engine == Engine::Mysql {
                let release = crate::verdicts::release(engine);
                case.engine = format!("mysql {}.{}", release.major, release.minor);
            }
            let found = !labels(&case, rule).is_empty() || !labels(&case, refused).is_empty();
            let database = before(engine, &world, &case);
            database.run(&world, "INSERT INTO users (name, email, age) VALUES ('a', 'a@b', 20);").unwrap();
            let online = database.run(&world, &format!("{one}, ALGORITHM=INPLACE, LOCK=NONE;"));
            asked += 1;
            if online.is_ok() == found {
                let _ = writeln!(wrong, "{} {}: {online:?}", rule.name, case.place());
            }
            database.remove(&world);
        }
    }
    println!("{asked} statements asked");
    assert!(wrong.is_empty() && asked > 8, "{wrong}");
}
