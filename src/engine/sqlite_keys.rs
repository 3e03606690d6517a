//! Foreign keys of SQLite: which rows refer to nothing, and since when.
//!
//! Refuses to run anything.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

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
pub(super) fn counted(rows: &[SqliteRow]) -> Result<Violations, sqlx::Error> {
    let mut counts: std::collections::BTreeMap<(String, String), usize> = std::collections::BTreeMap::new();
    for row in rows {
        *counts.entry((row.try_get(0)?, row.try_get(2)?)).or_default() += 1;
    }
    Ok(counts.into_iter().collect())
}
