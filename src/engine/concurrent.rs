//! PostgreSQL's statements that leave others at work: `CREATE`, `DROP` and `REINDEX … CONCURRENTLY`, and `DETACH`.
//!
//! Two things are theirs alone. They wait for transactions of others to end, and hold nobody up while they do; so they
//! may wait long. And a build that fails leaves an invalid index (manual, "Building Indexes Concurrently"; of `REINDEX`
//! one that ends in `_ccnew` or `_ccold`). Refuses to drop an index that somebody else may be building.

use std::time::Duration;

use crate::config::Dialect;
use crate::engine::Terms;
use crate::engine::detach::goes_on;
use crate::engine::notices;
use crate::engine::probe::quoted;
use crate::engine::record::text as literal;
use crate::engine::wire::{Class, Fault, Wire};
use crate::engine::words::Words;

/// Says whether a statement that runs outside of transactions is one of them.
pub(super) fn waits_for_others(text: &str) -> bool {
    let mut words = Words::of(text, Dialect::Postgres);
    words.any(&["CREATE", "DROP", "REINDEX", "ALTER"]) && words.later("CONCURRENTLY")
}

/// What a statement builds.
#[derive(Debug, PartialEq, Eq)]
enum Build {
    /// One index of a table, with the name if it has one.
    Index {
        /// The table, as a literal.
        table: String,
        /// The name of the index.
        name: Option<String>,
    },
    /// Indexes that are there, anew; the condition for them in SQL.
    Again(String),
}

impl Build {
    /// Reads what a statement builds; nothing if it builds none.
    fn of(text: &str) -> Option<Self> {
        let mut words = Words::of(text, Dialect::Postgres);
        if words.take(&["REINDEX"]) {
            return again(&mut words);
        }
        let concurrently = words.take(&["CREATE", "INDEX", "CONCURRENTLY"])
            || words.take(&["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY"]);
        if !concurrently {
            return None;
        }
        words.take(&["IF", "NOT", "EXISTS"]);
        let name = if words.peek("ON") { None } else { Some(words.name()?) };
        words.take(&["ON"]);
        words.any(&["ONLY"]);
        Some(Self::Index { table: relation(&mut words)?, name })
    }

    /// The question for invalid indexes which an attempt that failed before surely left; their names as SQL.
    fn left_before(&self) -> Option<String> {
        match self {
            Self::Index { table, name: Some(name) } => {
                let name = literal(name, Dialect::Postgres);
                Some(invalid(&format!("i.indrelid = pg_catalog.to_regclass({table}) AND c.relname = {name}")))
            }
            Self::Index { name: None, .. } => None,
            Self::Again(_) => Some(self.could_leave()),
        }
    }

    /// The question for invalid indexes which this statement could leave, and others too; their names as SQL.
    fn could_leave(&self) -> String {
        match self {
            Self::Index { table, .. } => invalid(&format!("i.indrelid = pg_catalog.to_regclass({table})")),
            Self::Again(which) => invalid(&format!("c.relname ~ '_cc(new|old)[0-9]*$' AND {which}")),
        }
    }
}

/// The question for invalid indexes, and whether somebody else may be building them: who builds holds this lock of the
/// table to the end, and everybody may see it (manual, "Explicit Locking"). Those of a partitioned table are no leftovers.
fn invalid(which: &str) -> String {
    format!(
        "SELECT i.indexrelid::pg_catalog.regclass, EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE l.locktype = \
         'relation' AND l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid <> \
         pg_catalog.pg_backend_pid() AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = \
         pg_catalog.current_database())) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
         JOIN pg_catalog.pg_class t ON t.oid = i.indrelid WHERE NOT i.indisvalid AND c.relkind = 'i' AND t.relkind IN \
         ('r', 'm') AND {which} ORDER BY 1"
    )
}

/// An index that is invalid.
struct Invalid {
    name: String,
    /// Whether somebody else may be building it.
    built: bool,
}

/// Reads the name of a relation as a literal.
fn relation(words: &mut Words) -> Option<String> {
    let (schema, name) = words.qualified()?;
    Some(literal(&quoted(schema.as_deref(), &name), Dialect::Postgres))
}

/// Reads what stands behind `REINDEX`.
fn again(words: &mut Words) -> Option<Build> {
    let kinds = ["INDEX", "TABLE", "SCHEMA", "DATABASE"];
    if !words.later("CONCURRENTLY") {
        return None;
    }
    // Options stand in parentheses before the kind.
    while !kinds.iter().any(|kind| words.peek(kind)) {
        if words.over() {
            return None;
        }
        words.at += 1;
    }
    let kind = kinds.iter().position(|kind| words.take(&[kind]))?;
    words.take(&["CONCURRENTLY"]);
    // A table or an index that is partitioned has no rows of its own.
    let members = |name: &str| {
        format!(
            "SELECT pg_catalog.to_regclass({name})::oid UNION ALL SELECT relid FROM \
             pg_catalog.pg_partition_tree(pg_catalog.to_regclass({name}))"
        )
    };
    Some(Build::Again(match kind {
        0 => {
            let indexes = members(&relation(words)?);
            format!("i.indrelid IN (SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid IN ({indexes}))")
        }
        1 => format!("i.indrelid IN ({})", members(&relation(words)?)),
        2 => {
            let schema = literal(&words.name()?, Dialect::Postgres);
            format!("t.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = {schema})")
        }
        _ => "true".to_owned(),
    }))
}

/// Runs a statement that leaves others at work: with time to wait for them, and if it fails without what it built.
///
/// # Errors
/// If it fails.
pub(super) fn beside_others<W: Wire>(
    wire: &mut W,
    text: &str,
    terms: &Terms,
    send: impl FnOnce(&mut W) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let build = Build::of(text);
    // Of an index with a name only that one counts: others of its table may be somebody else's.
    let question = build.as_ref().map(|build| build.left_before().unwrap_or_else(|| build.could_leave()));
    let found = |wire: &mut W| question.as_ref().map_or(Ok(Vec::new()), |question| found(wire, question));
    let before: Vec<String> = found(wire)?.into_iter().map(|index| index.name).collect();
    let cells: Vec<u64> = wire
        .ask(TIMEOUTS)?
        .into_iter()
        .flatten()
        .map(|cell| cell?.parse().ok())
        .collect::<Option<_>>()
        .unwrap_or_default();
    let now = <[u64; 4]>::try_from(cells)
        .ok()
        .map(|[lock, lock_usual, time, time_usual]| [[lock, lock_usual], [time, time_usual]]);
    if let Some(now) = now {
        wire.ask(&set_timeouts(timeouts(now, terms)))?;
    }
    let ran = send(wire);
    if ran.as_ref().is_err_and(|fault| fault.class == Class::Lost) {
        // A connection that is lost is asked nothing: it may never answer.
        return ran;
    }
    if ran.is_err() {
        if let Ok(Some(finish)) = goes_on(wire, text) {
            notices::add(format!("the partition is left half detached; the next run goes on with it, or: {finish}"));
        }
        let left = found(wire).unwrap_or_default().into_iter().filter(|index| !before.contains(&index.name));
        left.for_each(|index| notices::add(drop_if_nobody_builds(wire, &index)));
    }
    if let Some([[lock, _], [statement, _]]) = now {
        // Longer timeouts than asked for do no harm.
        let _ = wire.ask(&set_timeouts([lock, statement]));
    }
    ran?;
    // Who says IF NOT EXISTS is content with one that is there and is of no use.
    let left = build.and_then(|build| matches!(build, Build::Index { .. }).then(|| build.left_before())?);
    match left.map_or(Ok(Vec::new()), |left| self::found(wire, &left))?.first() {
        Some(index) => {
            Err(Fault::new(Class::Busy, format!("the index {} was there already and is invalid", index.name)))
        }
        None => Ok(()),
    }
}

/// Removes what an attempt that failed before surely left; says what.
///
/// # Errors
/// If that fails.
pub(super) fn make_room(wire: &mut impl Wire, text: &str) -> Result<Option<String>, Fault> {
    let Some(left) = Build::of(text).and_then(|build| build.left_before()) else { return Ok(None) };
    let left = found(wire, &left)?;
    if let Some(index) = left.iter().find(|index| index.built) {
        let message =
            format!("the index {} is invalid, and somebody is at work on its table who may be building it", index.name);
        return Err(Fault::new(Class::Busy, message));
    }
    for index in &left {
        drop(wire, index)?;
    }
    let names: Vec<&str> = left.iter().map(|index| index.name.as_str()).collect();
    Ok(match names.as_slice() {
        [] => None,
        [index] => Some(format!("the index {index} was left invalid by an attempt that failed; it was dropped")),
        _ => Some(format!(
            "the indexes {} were left invalid by an attempt that failed; they were dropped",
            names.join(", ")
        )),
    })
}

fn found(wire: &mut impl Wire, question: &str) -> Result<Vec<Invalid>, Fault> {
    let rows = wire.ask(question)?.into_iter().filter_map(|row| <[Option<String>; 2]>::try_from(row).ok());
    Ok(rows.filter_map(|[name, built]| Some(Invalid { name: name?, built: built? == "t" })).collect())
}

fn drop(wire: &mut impl Wire, index: &Invalid) -> Result<(), Fault> {
    wire.tell(&format!("DROP INDEX CONCURRENTLY {}", index.name)).map(|_| ())
}

/// Drops what a failure left; says what became of it.
fn drop_if_nobody_builds(wire: &mut impl Wire, index: &Invalid) -> String {
    let why = if index.built {
        "somebody is at work on its table".to_owned()
    } else {
        match drop(wire, index) {
            Ok(()) => return format!("the index {} was left invalid by this failure; it was dropped", index.name),
            Err(fault) => fault.message,
        }
    };
    format!(
        "the index {0} is left invalid and could not be dropped ({why}); later: DROP INDEX CONCURRENTLY {0}",
        index.name
    )
}

/// The question for the timeouts of the session: lock and statement, each as it is and as it is by itself, in ms.
const TIMEOUTS: &str = "SELECT setting, reset_val FROM pg_catalog.pg_settings WHERE name IN ('lock_timeout', \
                                   'statement_timeout') ORDER BY name";

/// The timeouts under which such a statement runs, in ms: lock and statement. What a script set itself stays.
///
/// `now` answers [`TIMEOUTS`]. A lock is waited for as long as it would be tried again, because each new try builds all
/// anew; a statement takes as long as it takes, unless the file or the environment limits it.
fn timeouts(now: [[u64; 2]; 2], terms: &Terms) -> [u64; 2] {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let [[lock, _], [statement, usual]] = now;
    let ours = terms.lock_timeout.is_some_and(|time| milliseconds(time) == lock);
    let endless = terms.statement_timeout.is_none() && statement == usual;
    [if ours && lock > 0 { lock.max(milliseconds(terms.patience)) } else { lock }, if endless { 0 } else { statement }]
}

/// The statement that sets both timeouts.
fn set_timeouts([lock, statement]: [u64; 2]) -> String {
    format!(
        "SELECT pg_catalog.set_config('lock_timeout', '{lock}', false), pg_catalog.set_config('statement_timeout', \
         '{statement}', false)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_indexes_is_known_by_its_words() {
        let table = |name: &str| format!("E'{name}'");
        let index = |text: &str| Build::of(text).unwrap();
        assert_eq!(
            index("CREATE UNIQUE INDEX /* now */ CONCURRENTLY IF NOT EXISTS i ON ONLY \"S\".t (a)"),
            Build::Index { table: table("\"S\".\"t\""), name: Some("i".to_owned()) }
        );
        assert_eq!(index("create index concurrently on t (a)"), Build::Index { table: table("\"t\""), name: None });
        assert!(index("CREATE INDEX CONCURRENTLY ON t (a)").left_before().is_none());
        for text in ["REINDEX INDEX CONCURRENTLY i", "REINDEX (VERBOSE, CONCURRENTLY) TABLE s.t"] {
            let left = index(text).left_before().unwrap();
            assert!(left.contains("_cc(new|old)") && left.contains("pg_partition_tree"), "{left}");
        }
        assert!(index("REINDEX SCHEMA CONCURRENTLY s").could_leave().contains("nspname = E's'"));
        assert!(index("REINDEX DATABASE CONCURRENTLY").could_leave().contains("true"));
        for text in
            ["CREATE INDEX i ON t (a)", "REINDEX TABLE t", "DROP INDEX CONCURRENTLY i", "REINDEX (CONCURRENTLY)"]
        {
            assert_eq!(Build::of(text), None, "{text}");
        }
        assert!(waits_for_others("ALTER TABLE t DETACH PARTITION p CONCURRENTLY"));
        assert!(!waits_for_others("CREATE DATABASE \"concurrently\""));
    }

    #[test]
    fn timeouts_of_others_are_not_ours_to_change() {
        let terms = |lock: u64, statement: Option<u64>| Terms {
            lock_timeout: Some(Duration::from_millis(lock)),
            statement_timeout: statement.map(Duration::from_millis),
            patience: Duration::from_secs(60),
            ..Terms::default()
        };
        assert_eq!(timeouts([[5000, 0], [9, 9]], &terms(5000, None)), [60_000, 0]);
        assert_eq!(timeouts([[90_000, 0], [0, 0]], &terms(90_000, None)), [90_000, 0]);
        // The script's own, and what the file or the environment asks for.
        assert_eq!(timeouts([[2000, 0], [7, 9]], &terms(5000, None)), [2000, 7]);
        assert_eq!(timeouts([[0, 0], [7, 9]], &terms(0, Some(7))), [0, 7]);
    }
}
