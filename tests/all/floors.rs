//! The house has floors, and a file uses only those below it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every module with its floor. Modules of floor 2 do not know each other.
const FLOORS: [(&str, u8); 25] = [
    ("text", 0),
    ("finding", 0),
    ("migration", 0),
    ("history", 0),
    ("config", 1),
    ("catalogue", 1),
    ("facts", 1),
    ("data_change", 1),
    ("layout", 1),
    ("sql", 1),
    ("rules", 1),
    ("check", 1),
    ("plan", 1),
    ("environment", 2),
    ("git", 2),
    ("engine", 2),
    ("disk", 2),
    ("host", 2),
    ("output", 2),
    ("render", 2),
    ("commands", 3),
    ("cli", 4),
    ("main", 4),
    ("lib", 4),
    ("schemagate", 4),
];

/// Floor 2 modules that the others there may use: names of variables and plain file access.
const SHARED: [&str; 2] = ["environment", "disk"];

fn sources() -> Vec<(PathBuf, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push((path.strip_prefix(&top).unwrap().to_owned(), text));
            }
        }
    }
    sources
}

fn module(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules of this crate that a text names.
fn named(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + 7..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = &group[..group.find('}').unwrap()];
            names.extend(group.split(',').map(|name| name.trim().split("::").next().unwrap().to_owned()));
        } else {
            names.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    names.retain(|name| FLOORS.iter().any(|(known, _)| known == name));
    names
}

#[test]
fn nothing_looks_up_or_sideways() {
    let floors: BTreeMap<&str, u8> = FLOORS.into_iter().collect();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, text) in sources() {
        let own = module(&path);
        let floor = floors[own.as_str()];
        for other in named(&text) {
            seen += 1;
            let sideways =
                floor == 2 && floors[other.as_str()] == 2 && other != own && !SHARED.contains(&other.as_str());
            if floors[other.as_str()] > floor || sideways {
                wrong.push(format!("{} uses {other}", path.display()));
            }
        }
    }
    assert!(seen > 100, "the test reads nothing");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_lower_floors_touch_nothing_of_the_world() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let floor = FLOORS.iter().find(|(name, _)| *name == module(&path)).unwrap().1;
        // Test code reads its cases.
        if path.ends_with("tests.rs") || path.ends_with("cases.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap();
        for word in [
            "std::fs",
            "std::env",
            "std::process",
            "std::net",
            "std::io",
            "Instant::now",
            "now_utc",
            "git2::",
            "sqlx::",
        ] {
            if floor < 2 && code.contains(word) {
                wrong.push(format!("{} uses {word}", path.display()));
            }
        }
        let only = [
            ("git2::", "git"),
            ("sqlx::", "engine"),
            ("miette::", "render"),
            ("sqlparser::", "sql"),
            ("pg_query", "sql"),
            // It is both the judge of SQLite and its engine.
            ("rusqlite::", "sql engine"),
            ("walkdir::", "disk"),
        ];
        for (word, home) in only {
            if code.contains(word) && !home.split(' ').any(|home| home == module(&path)) {
                wrong.push(format!("{} names {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > 400 {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
        if !text.starts_with("//! ") {
            wrong.push(format!("{} does not say what it is for", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
