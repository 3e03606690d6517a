//! Foreign keys of SQLite: which rows refer to nothing, and since when.
//!
//! Refuses to run anything.

use std::collections::BTreeMap;

use crate::engine::wire::Rows;

/// Says which references are broken now and were not before.
pub(super) fn newly_broken(now: &Violations, known: &Violations) -> Option<String> {
    now.iter().find_map(|(key, rows)| {
        let had = known.get(key).map_or(&[][..], Vec::as_slice);
        let new = rows.len() - common(rows, had);
        let (table, parent) = key;
        (new > 0)
            .then(|| format!("{new} row(s) of table {table} refer to rows of {parent} that do not exist (foreign key)"))
    })
}

/// How many rows stand in both lists, which are sorted.
fn common(rows: &[i64], others: &[i64]) -> usize {
    let (mut at, mut found) = (0, 0);
    for row in rows {
        at += others[at..].iter().take_while(|other| *other < row).count();
        if others.get(at) == Some(row) {
            (at, found) = (at + 1, found + 1);
        }
    }
    found
}

/// Broken references: table and parent, with the numbers of the rows, sorted; rows without a number have the same.
pub(super) type Violations = BTreeMap<(String, String), Vec<i64>>;

/// Takes the rows of `PRAGMA foreign_key_check` apart by table and parent.
pub(super) fn counted(rows: &Rows) -> Violations {
    let mut found = Violations::new();
    let cell = |row: &Vec<Option<String>>, at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    for row in rows {
        let number = cell(row, 1).parse().unwrap_or(i64::MIN);
        found.entry((cell(row, 0), cell(row, 2))).or_default().push(number);
    }
    found.values_mut().for_each(|rows| rows.sort_unstable());
    found
}
