//! The cases of `fixtures/verdict`: statements of our own for the constructs of the manuals, each with its verdict.
//!
//! A case is a line `--- accept`, `--- accept mariadb`, `--- accept mysql since 8.0.16` or `--- reject` and the
//! statement below it. The live tests ask the engines about the same files.

use std::path::Path;

use crate::config::Dialect;
use crate::config::flavour::Release;

/// One case.
pub(crate) struct Case {
    /// File and line.
    pub(crate) place: String,
    /// Whether it is to be accepted.
    pub(crate) accept: bool,
    /// The only dialect that accepts it, where one is named.
    pub(crate) only: Option<Dialect>,
    /// The first release that accepts it, where one is named.
    pub(crate) since: Option<Release>,
    /// Whether the table of edges is known not to see that: labels without AS, and what stands in bodies.
    pub(crate) unseen: bool,
    /// The statement.
    pub(crate) text: String,
}

/// Reads the cases of a folder.
pub(crate) fn cases(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/verdict").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "sql")) {
        let text = std::fs::read_to_string(file).unwrap();
        for (number, line) in text.lines().enumerate() {
            if let Some(head) = line.strip_prefix("--- ") {
                let words: Vec<&str> = head.split_whitespace().collect();
                let since =
                    words.iter().position(|word| *word == "since").and_then(|at| Release::parse(words.get(at + 1)?));
                cases.push(Case {
                    place: format!("{}:{}", file.file_name().unwrap().to_string_lossy(), number + 1),
                    accept: words[0] == "accept",
                    only: Dialect::ALL.into_iter().find(|dialect| words.contains(&dialect.word())),
                    since,
                    unseen: words.contains(&"unseen"),
                    text: String::new(),
                });
            } else if let Some(case) = cases.last_mut() {
                case.text.push_str(line);
                case.text.push('\n');
            }
        }
    }
    for case in &mut cases {
        case.text.truncate(case.text.trim_end().len());
    }
    cases
}
