//! The reader of facts, held against real migrations and the constructs of the manuals.

#![expect(clippy::print_stdout, reason = "figures are shown with --nocapture")]

use std::path::Path;

use super::*;
use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::sql::cases::cases;
use crate::sql::split::split;

/// What is not understood of the statements of a text.
fn unknown(text: &str, flavour: Flavour) -> Vec<String> {
    let statements = split(text, flavour).into_iter().filter(|statement| !statement.client && !statement.copied);
    let texts = statements.map(|statement| statement.span.of(text).to_owned());
    texts.filter(|text| read(text, flavour).is_none()).collect()
}

#[test]
fn real_migrations_are_understood() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !top.is_dir() {
        println!("no corpus beside this clone: its statements were not read");
        return;
    }
    let (mut all, mut missed) = (0, Vec::new());
    for (folder, dialect) in [("postgres", Dialect::Postgres), ("mysql", Dialect::Mariadb), ("sqlite", Dialect::Sqlite)]
    {
        for project in std::fs::read_dir(&top).unwrap() {
            let Ok(files) = std::fs::read_dir(project.unwrap().path().join(folder)) else { continue };
            for file in files {
                let text = String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned();
                all += split(&text, dialect).len();
                missed.extend(unknown(&text, dialect.into()).into_iter().map(|text| (dialect, text)));
            }
        }
    }
    println!("{} of {all} statements not understood", missed.len());
    for (dialect, text) in &missed {
        println!("{dialect:?}: {}", text.chars().take(300).collect::<String>());
    }
    // One of them is no SQL.
    assert!(missed.len() < 2);
}

#[test]
fn constructs_of_the_manuals_are_understood() {
    let mut missed = 0;
    let mut all = 0;
    for (folder, dialect) in [("postgres", Dialect::Postgres), ("mysql", Dialect::Mariadb), ("sqlite", Dialect::Sqlite)]
    {
        for case in cases(folder).into_iter().filter(|case| case.accept) {
            let flavour = case.only.unwrap_or(dialect).into();
            for text in unknown(&case.text, flavour) {
                println!("{}: {}", case.place, text.chars().take(200).collect::<String>());
                missed += 1;
            }
            all += 1;
        }
    }
    println!("{missed} of {all} constructs not understood");
    assert!(missed * 20 < all);
}

fn fact(text: &str, dialect: Dialect) -> String {
    format!("{:?}", read(text, dialect.into()).unwrap())
}

#[test]
fn words_between_are_read_and_names_are_found() {
    let rewrites = [
        ("VACUUM (FULL, VERBOSE) a, b", "VACUUM FULL", ["a", "b"].as_slice()),
        ("VACUUM FULL FREEZE VERBOSE ANALYZE a (x)", "VACUUM FULL", &["a"]),
        ("CLUSTER (VERBOSE) a USING i", "CLUSTER", &["a"]),
        ("CLUSTER i ON a", "CLUSTER", &["a"]),
        ("ALTER INDEX i SET TABLESPACE fast", "SET TABLESPACE", &["i"]),
    ];
    for (text, words, names) in rewrites {
        let Some(Fact::Rewrite { words: found, tables }) = read(text, Dialect::Postgres.into()) else {
            panic!("{text}: {}", fact(text, Dialect::Postgres));
        };
        assert_eq!(found, words, "{text}");
        assert_eq!(tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), names, "{text}");
    }
    for nothing in ["VACUUM (FULL off) a", "EXPLAIN (ANALYZE false) DELETE FROM a"] {
        assert_eq!(fact(nothing, Dialect::Postgres), "Nothing");
    }
    assert!(fact("DELETE u FROM a.users AS u JOIN t ON t.id = u.t", Dialect::Mariadb).contains("name: \"users\""));
}

#[test]
fn statements_in_others_are_found() {
    let inside = |text: &str, dialect: Dialect| -> Vec<String> {
        let spans = within(text, dialect.into()).map(|(_, spans)| spans).unwrap_or_default();
        spans.into_iter().map(|span| span.of(text).to_owned()).collect()
    };
    let postgres = |text: &str| inside(text, Dialect::Postgres);
    assert_eq!(postgres("DO 'BEGIN DROP TABLE a; END'"), ["DROP TABLE a"]);
    assert_eq!(
        postgres("WITH a AS (DELETE FROM b RETURNING (1)), c AS (SELECT 1) INSERT INTO d SELECT * FROM a"),
        ["DELETE FROM b RETURNING (1)"]
    );
    assert_eq!(postgres("DO $$ BEGIN EXECUTE 'DROP TABLE a' USING b; END $$"), ["DROP TABLE a"]);
    assert_eq!(
        inside("CREATE TRIGGER t AFTER DELETE ON a FOR EACH ROW BEGIN DELETE FROM b; END", Dialect::Sqlite),
        ["DELETE FROM b"]
    );
    assert_eq!(inside("CREATE FUNCTION f(a INT) RETURNS INT RETURN 1", Dialect::Mariadb), Vec::<String>::new());
    for (text, dialect) in [
        ("DO $$ BEGIN EXECUTE format('DROP TABLE %I', a); END $$", Dialect::Postgres),
        ("DO $$ BEGIN EXECUTE 'DROP TABLE ' || a; END $$", Dialect::Postgres),
        ("EXECUTE IMMEDIATE concat('DROP TABLE ', @a)", Dialect::Mariadb),
        ("PREPARE p FROM @a", Dialect::Mariadb),
        ("BEGIN NOT ATOMIC EXECUTE IMMEDIATE @a; END", Dialect::Mariadb),
    ] {
        assert!(dynamic(text, dialect.into()), "{text}");
    }
    assert!(!dynamic("PREPARE p FROM 'DELETE FROM a'", Dialect::Mariadb.into()));
}
