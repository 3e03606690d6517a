//! Foreign keys of SQLite: which rows refer to nothing, and since when.
//!
//! Refuses to run anything.

use crate::engine::wire::Rows;

/// Says which references are broken now and were not before.
pub(super) fn newly_broken(now: &Violations, known: &Violations) -> Option<String> {
    let had = |key: &(String, String)| known.iter().find(|(other, _)| other == key).map_or(0, |(_, count)| *count);
    now.iter().find(|(key, count)| had(key) < *count).map(|((table, parent), count)| {
        format!("{count} row(s) of table {table} refer to rows of {parent} that do not exist (foreign key)")
    })
}

/// Broken references: table and parent, with how many rows.
pub(super) type Violations = Vec<((String, String), usize)>;

/// Counts the rows of `PRAGMA foreign_key_check` by table and parent.
pub(super) fn counted(rows: &Rows) -> Violations {
    let mut counts: std::collections::BTreeMap<(String, String), usize> = std::collections::BTreeMap::new();
    let cell = |row: &Vec<Option<String>>, at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    for row in rows {
        *counts.entry((cell(row, 0), cell(row, 2))).or_default() += 1;
    }
    counts.into_iter().collect()
}
