//! `ALTER TABLE … DETACH PARTITION … CONCURRENTLY` of PostgreSQL.
//!
//! It makes two transactions. What stops it between them leaves a partition whose detachment is pending, and then only
//! `FINALIZE` goes on (manual, "ALTER TABLE"). Refuses to know how a statement is run.

use std::borrow::Cow;

use crate::config::Dialect;
use crate::engine::ScriptStatement;
use crate::engine::notices;
use crate::engine::probe::{Effect, Kind, quoted};
use crate::engine::record::text as literal;
use crate::engine::wire::{Class, Fault, Wire};
use crate::engine::words::Words;

/// A partition that is taken from its table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Detach {
    /// The table, in quotes with its schema.
    table: String,
    /// The partition, the same.
    partition: String,
}

impl Detach {
    /// Reads a statement; nothing if it is another one.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut words = Words::of(text, Dialect::Postgres);
        if !words.take(&["ALTER", "TABLE"]) {
            return None;
        }
        words.take(&["IF", "EXISTS"]);
        words.any(&["ONLY"]);
        let (schema, table) = words.qualified()?;
        if !words.take(&["DETACH", "PARTITION"]) {
            return None;
        }
        let (of, partition) = words.qualified()?;
        let (table, partition) = (quoted(schema.as_deref(), &table), quoted(of.as_deref(), &partition));
        words.take(&["CONCURRENTLY"]).then_some(Self { table, partition })
    }

    /// What it leaves in the catalogue.
    pub(super) fn effect(self) -> Effect {
        Effect { kind: Kind::Partition, schema: None, table: Some(self.table), name: self.partition, there: false }
    }

    /// The statement that ends what was cut off.
    fn finalize(&self) -> String {
        format!("ALTER TABLE {} DETACH PARTITION {} FINALIZE", self.table, self.partition)
    }
}

/// The question that has rows where a partition, both as names in quotes, is one of its table still.
pub(super) fn is_partition(table: &str, partition: &str) -> String {
    let [table, partition] = [table, partition].map(|name| literal(name, Dialect::Postgres));
    format!(
        "SELECT 1 FROM pg_catalog.pg_inherits WHERE inhparent = pg_catalog.to_regclass({table}) AND inhrelid = \
         pg_catalog.to_regclass({partition})"
    )
}

/// Returns the statement that goes on where an earlier attempt was cut off; nothing if none was.
///
/// # Errors
/// If the connection was lost.
pub(super) fn goes_on(wire: &mut impl Wire, text: &str) -> Result<Option<String>, Fault> {
    let Some(detach) = Detach::of(text) else { return Ok(None) };
    let pending = format!("{} AND inhdetachpending", is_partition(&detach.table, &detach.partition));
    match wire.ask(&pending) {
        Ok(rows) => Ok((!rows.is_empty()).then(|| detach.finalize())),
        Err(fault) if fault.class == Class::Lost => Err(fault),
        // Before PostgreSQL 14 there is no such thing.
        Err(_) => Ok(None),
    }
}

/// Returns what is to be sent for a statement: itself, or what goes on where an earlier attempt of it was cut off.
///
/// # Errors
/// If the connection was lost.
pub(super) fn or_what_goes_on<'s>(
    wire: &mut impl Wire,
    statement: &'s ScriptStatement,
) -> Result<Cow<'s, ScriptStatement>, Fault> {
    let Some(text) = goes_on(wire, &statement.text)? else { return Ok(Cow::Borrowed(statement)) };
    notices::add(format!("this was cut off before; instead runs: {text}"));
    Ok(Cow::Owned(ScriptStatement { text, ..statement.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detachment_is_known_by_its_words() {
        let found =
            Detach::of("ALTER TABLE IF EXISTS ONLY \"S\".t /* now */ DETACH PARTITION t_1 CONCURRENTLY").unwrap();
        assert_eq!((&*found.table, &*found.partition), ("\"S\".\"t\"", "\"t_1\""));
        assert_eq!(found.finalize(), "ALTER TABLE \"S\".\"t\" DETACH PARTITION \"t_1\" FINALIZE");
        for other in [
            "ALTER TABLE t DETACH PARTITION t_1",
            "ALTER TABLE t DETACH PARTITION t_1 FINALIZE",
            "ALTER INDEX t DETACH PARTITION t_1 CONCURRENTLY",
            "CREATE INDEX CONCURRENTLY i ON t (a)",
        ] {
            assert_eq!(Detach::of(other), None, "{other}");
        }
    }
}
