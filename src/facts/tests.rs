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
