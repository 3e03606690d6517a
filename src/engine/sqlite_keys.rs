//! Foreign keys of SQLite: which rows refer to nothing, and since when.
//!
//! A broken reference is known by what it names: the parent, and the values of the key that is not there. So it is the same
//! one when its table is rebuilt or renamed, and when its row gets another number. Refuses to change anything.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use crate::config::Dialect;
use crate::engine::probe::quoted;
use crate::engine::record::text;
use crate::engine::wire::{Fault, Rows};
use crate::text::holds;

/// Broken references: table and parent, with the values of each as a number; those that cannot be read are all the same.
pub(super) type Violations = BTreeMap<(String, String), Vec<u64>>;

/// Asks the database.
pub(super) type Ask<'a> = &'a mut dyn FnMut(&str) -> Result<Rows, Fault>;

/// How many rows are asked for at once.
const AT_ONCE: usize = 500;

/// Finds broken references. Where one refers to columns that are no key, SQLite checks nothing at all; then each table is
/// asked for itself, and that one left out: while keys are not enforced it does no harm.
///
/// # Errors
/// If the database cannot be asked.
pub(super) fn violations(ask: Ask<'_>, seen: &mut Option<Seen>) -> Result<Violations, Fault> {
    let rows = broken(ask)?;
    let sum = number_of(&rows);
    if let Some(seen) = seen.as_ref().filter(|seen| seen.sum == sum && !seen.touched) {
        return Ok(seen.found.clone());
    }
    let found = known_by_value(&rows, ask)?;
    *seen = Some(Seen { sum, found: found.clone(), touched: false });
    Ok(found)
}

/// What was found last, so that values are asked for again only where they may have changed.
pub(super) struct Seen {
    /// A sum over the rows that refer to nothing.
    sum: u64,
    found: Violations,
    /// Whether a statement since then named one of their tables.
    touched: bool,
}

impl Seen {
    /// Notes that a statement runs.
    pub(super) fn note(&mut self, text: &str) {
        self.touched = self.touched || self.found.keys().any(|(table, _)| holds(text, table));
    }
}

fn broken(ask: Ask<'_>) -> Result<Rows, Fault> {
    let mismatch = |fault: &Fault| fault.message.starts_with("foreign key mismatch");
    match ask("PRAGMA main.foreign_key_check") {
        Err(fault) if mismatch(&fault) => {}
        found => return found,
    }
    let mut rows = Vec::new();
    let tables = ask("SELECT name FROM main.sqlite_master WHERE type = 'table'")?;
    for table in tables.into_iter().flatten().flatten() {
        match ask(&format!("PRAGMA main.foreign_key_check({})", text(&table, Dialect::Sqlite))) {
            Err(fault) if mismatch(&fault) => {}
            found => rows.extend(found?),
        }
    }
    Ok(rows)
}

/// Takes the rows of `PRAGMA foreign_key_check` (table, row, parent, number of the key) apart, and asks for their values.
fn known_by_value(rows: &Rows, ask: Ask<'_>) -> Result<Violations, Fault> {
    let cell = |row: &[Option<String>], at: usize| row.get(at).cloned().flatten().unwrap_or_default();
    let mut numbers: BTreeMap<[String; 3], Vec<String>> = BTreeMap::new();
    for row in rows {
        numbers.entry([cell(row, 0), cell(row, 2), cell(row, 3)]).or_default().push(cell(row, 1));
    }
    let mut found = Violations::new();
    for ([table, parent, key], numbers) in numbers {
        let literal = text(&table, Dialect::Sqlite);
        let keys = ask(&format!("PRAGMA main.foreign_key_list({literal})"))?;
        let taken: Vec<String> = ask(&format!("SELECT lower(name) FROM pragma_table_info({literal}, 'main')"))?
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        // A column may be called like the number of the row.
        let number = ["_rowid_", "rowid", "oid"].into_iter().find(|name| !taken.iter().any(|column| column == name));
        let columns: Vec<String> =
            keys.iter().filter(|row| cell(row, 0) == key).map(|row| plain(&quoted(None, &cell(row, 3)))).collect();
        // Names know no case.
        let values = found.entry((table.clone(), parent.to_lowercase())).or_default();
        // Rows of a table without row numbers have none.
        let known = number.is_some() && !columns.is_empty();
        let (numbered, others): (Vec<String>, Vec<String>) =
            numbers.into_iter().partition(|number| known && !number.is_empty());
        values.extend(others.iter().map(|_| 0));
        for numbers in numbered.chunks(AT_ONCE) {
            let question = format!(
                "SELECT {} FROM main.{} WHERE {} IN ({})",
                columns.join(" || ',' || "),
                quoted(None, &table),
                number.unwrap_or_default(),
                numbers.join(", ")
            );
            let answers = ask(&question)?;
            values.extend(answers.iter().map(|row| number_of(&cell(row, 0))));
            values.extend(std::iter::repeat_n(0, numbers.len().saturating_sub(answers.len())));
        }
    }
    Ok(found)
}

/// A value without its type, which may change: 99, '99' and 99.0 name the same row.
fn plain(column: &str) -> String {
    format!(
        "quote(CASE WHEN typeof({column}) = 'real' AND {column} = CAST({column} AS INTEGER) THEN CAST(CAST({column} AS \
         INTEGER) AS TEXT) ELSE CAST({column} AS TEXT) END)"
    )
}

fn number_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Says which references are broken now and were not before. A parent that is gone and one that is new may be the same one
/// under another name.
pub(super) fn newly_broken(now: &Violations, known: &Violations) -> Option<String> {
    let in_both = |parent: &String| {
        let has = |list: &Violations| list.keys().any(|(_, other)| other == parent);
        has(now) && has(known)
    };
    let under = |parent: &String| if in_both(parent) { parent.clone() } else { String::new() };
    let mut had: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for ((_, parent), values) in known {
        let parent = under(parent);
        values.iter().for_each(|value| *had.entry((parent.clone(), *value)).or_default() += 1);
    }
    now.iter().find_map(|((table, parent), values)| {
        let under = under(parent);
        let is_new = |value: &&u64| match had.get_mut(&(under.clone(), **value)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        };
        let new = values.iter().filter(is_new).count();
        (new > 0)
            .then(|| format!("{new} row(s) of table {table} refer to rows of {parent} that do not exist (foreign key)"))
    })
}
