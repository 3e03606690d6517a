//! What a statement leaves in the catalogue, read from its words.
//!
//! A single definition is atomic in MySQL 8 (manual, "Atomic Data Definition Statement Support"), in MariaDB from 10.6
//! (knowledge base, "Atomic DDL") and in PostgreSQL, so one of its effects speaks for all. Refuses to guess: what leaves
//! no trace, and every form that is not known here, is said to be undecidable.

use crate::config::Dialect;
use crate::engine::detach::Detach;
use crate::engine::probe::{Effect, Kind};
use crate::engine::trace_alter::altered;
use crate::engine::words::Words;
use crate::text::begins;

/// What may run again without harm.
pub(super) fn harmless() -> Vec<Effect> {
    vec![Effect { kind: Kind::Harmless, schema: None, table: None, name: String::new(), there: true }]
}

const UNKNOWN: &str = "its effect cannot be looked up";

/// Reads what a statement leaves.
///
/// # Errors
/// Why that cannot be looked up.
pub(super) fn effects(text: &str, dialect: Dialect) -> Result<Vec<Effect>, String> {
    let mut words = Words::of(text, dialect);
    let effects = if repeatable(&mut words, dialect) {
        Some(harmless())
    } else if words.take(&["CREATE"]) {
        created(&mut words, dialect)
    } else if words.take(&["DROP"]) {
        dropped(&mut words, dialect)
    } else if words.take(&["ALTER"]) {
        match dialect {
            Dialect::Postgres => Detach::of(text).map(|detach| vec![detach.effect()]),
            _ => altered(&mut words),
        }
    } else if words.take(&["RENAME"]) {
        renamed(&mut words)
    } else {
        None
    };
    effects.filter(|effects| !effects.is_empty() && told_apart(effects)).ok_or_else(|| UNKNOWN.to_owned())
}

/// Names that come twice, such as those that are swapped, say nothing; and many names do not know their case.
fn told_apart(effects: &[Effect]) -> bool {
    let same = |one: &Effect, other: &Effect| {
        one.kind == other.kind && one.name.to_lowercase() == other.name.to_lowercase() && one.kind != Kind::Harmless
    };
    effects.iter().enumerate().all(|(at, one)| !effects[at + 1..].iter().any(|other| same(one, other)))
}

/// Says whether a statement may simply run again: it ends in the same state, or what it made ended with its session.
fn repeatable(words: &mut Words, dialect: Dialect) -> bool {
    if dialect == Dialect::Postgres {
        if words.take(&["ALTER", "DATABASE"]) {
            return words.name().is_some() && words.any(&["SET", "RESET", "OWNER", "WITH", "CONNECTION"]);
        }
        let maintained = ["VACUUM", "REINDEX", "CLUSTER", "CHECKPOINT", "ANALYZE", "ANALYSE"];
        return words.any(&["GRANT", "REVOKE", "COMMENT", "DISCARD"])
            || words.any(&maintained)
            || words.take(&["ALTER", "SYSTEM"]);
    }
    if dialect == Dialect::Sqlite {
        return words.any(&["VACUUM", "PRAGMA", "REINDEX", "ANALYZE"]);
    }
    let maintained = ["ANALYZE", "OPTIMIZE", "CHECK", "REPAIR"];
    if words.any(&maintained) {
        words.any(&["LOCAL", "NO_WRITE_TO_BINLOG"]);
        return words.any(&["TABLE", "TABLES"]);
    }
    if words.peek("SET") {
        return !words.take(&["SET", "STATEMENT"]) && !counts_on(words) && !ONCE.iter().any(|word| words.later(word));
    }
    words.any(&["GRANT", "FLUSH", "PREPARE"]) || words.take(&["CREATE", "TEMPORARY"])
}

/// Words of settings that are others when they are made twice: the password that is kept would be the new one, a random one
/// would be another, and more events of the source would be passed over.
const ONCE: [&str; 4] = ["RETAIN", "RANDOM", "SQL_SLAVE_SKIP_COUNTER", "SQL_REPLICA_SKIP_COUNTER"];

/// Says whether a setting of the whole server may get its value from the one that it has: a second time it would be another.
fn counts_on(words: &Words) -> bool {
    let of_all = |word: &str| {
        let name = word.trim_start_matches('@');
        begins(name, "GLOBAL") || begins(name, "PERSIST")
    };
    let shown = words.list.iter().filter(|(_, quoted)| !quoted).map(|(word, _)| word.as_str());
    let variables = shown.clone().filter(|word| word.starts_with('@')).count();
    let computes = shown.clone().any(|word| ["+", "-", "*", "/", "(", "||", "SELECT"].contains(&word));
    shown.clone().any(of_all) && (computes || variables > 1)
}

fn kind(words: &mut Words, dialect: Dialect) -> Option<Kind> {
    let relations = [("TABLE", Kind::Table), ("VIEW", Kind::Table), ("SEQUENCE", Kind::Table), ("INDEX", Kind::Index)];
    let of_postgres = [("DATABASE", Kind::Database)];
    let of_mysql = [
        ("TRIGGER", Kind::Trigger),
        ("PROCEDURE", Kind::Procedure),
        ("FUNCTION", Kind::Function),
        ("EVENT", Kind::Event),
        ("DATABASE", Kind::Database),
        ("SCHEMA", Kind::Database),
    ];
    let more = if dialect == Dialect::Postgres { of_postgres.as_slice() } else { of_mysql.as_slice() };
    let mut kinds = relations.iter().chain(more);
    kinds.find(|(word, _)| words.take(&[word])).map(|(_, kind)| *kind)
}

/// Goes behind what stands between CREATE and the kind of what it creates.
fn prefix(words: &mut Words) -> Option<()> {
    loop {
        if words.take(&["DEFINER", "="]) {
            if words.any(&["CURRENT_USER", "CURRENT_ROLE"]) {
                let _ = words.take(&["(", ")"]);
                continue;
            }
            words.account()?;
        } else if words.take(&["ALGORITHM", "="]) || words.take(&["SQL", "SECURITY"]) {
            words.name()?;
        } else if !words.any(&["UNIQUE", "FULLTEXT", "SPATIAL", "AGGREGATE", "MATERIALIZED"]) {
            return Some(());
        }
    }
}

fn created(words: &mut Words, dialect: Dialect) -> Option<Vec<Effect>> {
    let replaces = words.take(&["OR", "REPLACE"]);
    prefix(words)?;
    let (view, event) = (words.peek("VIEW"), words.peek("EVENT"));
    let code = view || words.peek("TRIGGER") || words.peek("PROCEDURE") || words.peek("FUNCTION");
    let kind = kind(words, dialect)?;
    if replaces {
        // A table that is made anew loses rows that came since.
        return code.then(harmless);
    }
    // A table that is filled by its own definition may be there without its rows; an event may have come and gone.
    let ends = ["AT", "ENDS"].iter().any(|word| words.later(word));
    let filled = ["SELECT", "ROW", "TABLE"].iter().any(|word| words.later(word));
    if kind == Kind::Table && !view && filled && dialect != Dialect::Postgres || event && ends {
        return None;
    }
    words.any(&["CONCURRENTLY"]);
    if words.take(&["IF", "NOT", "EXISTS"]) {
        // PostgreSQL takes an index that a failed build left for one that exists.
        if dialect != Dialect::Postgres || kind != Kind::Index {
            return Some(harmless());
        }
    }
    if kind == Kind::Index && words.peek("ON") {
        return None;
    }
    let (mut schema, name) = words.qualified()?;
    let mut table = None;
    if kind == Kind::Index {
        while !words.peek("ON") {
            words.at += 1;
            words.list.get(words.at)?;
        }
        words.take(&["ON"]);
        words.any(&["ONLY"]);
        let (of, on) = words.qualified()?;
        (schema, table) = (of, Some(on));
    }
    Some(vec![Effect { kind, schema, table, name, there: true }])
}

fn dropped(words: &mut Words, dialect: Dialect) -> Option<Vec<Effect>> {
    words.any(&["MATERIALIZED"]);
    let kind = kind(words, dialect)?;
    words.any(&["CONCURRENTLY"]);
    let even_if_not = words.take(&["IF", "EXISTS"]);
    if even_if_not && dialect != Dialect::Postgres {
        return Some(harmless());
    }
    let mut effects = Vec::new();
    loop {
        let (mut schema, name) = words.qualified()?;
        let mut table = None;
        if kind == Kind::Index && words.take(&["ON"]) {
            let (of, on) = words.qualified()?;
            (schema, table) = (of, Some(on));
        }
        effects.push(Effect { kind, schema, table, name, there: false });
        if !words.take(&[","]) {
            return Some(effects);
        }
    }
}

fn renamed(words: &mut Words) -> Option<Vec<Effect>> {
    if !words.any(&["TABLE", "TABLES"]) || words.take(&["IF"]) {
        return None;
    }
    let mut effects = Vec::new();
    loop {
        let (old_schema, old) = words.qualified()?;
        if !words.take(&["TO"]) {
            return None;
        }
        let (schema, name) = words.qualified()?;
        effects.push(Effect { kind: Kind::Table, schema: old_schema, table: None, name: old, there: false });
        effects.push(Effect { kind: Kind::Table, schema, table: None, name, there: true });
        if !words.take(&[","]) {
            return words.over().then_some(effects);
        }
    }
}

/// Says whether a server carries out a statement wholly or not at all, so that one which was refused left nothing.
///
/// Routines and compound statements may commit on their way; MariaDB drops several tables one by one (knowledge base,
/// "Atomic DDL": `DROP TABLE` of several is atomic only for each); loading and calling do what they do.
pub(super) fn whole(text: &str, dialect: Dialect) -> bool {
    let mut words = Words::of(text, dialect);
    if dialect == Dialect::Postgres {
        // Every statement of its own is a transaction, but for those that make several of it. (What DETACH CONCURRENTLY
        // leaves pending it goes on with.)
        let several = words.later("CONCURRENTLY") && words.peek("REINDEX");
        return !several && !words.any(&["CALL", "DO", "CLUSTER", "VACUUM"]);
    }
    let mysql = dialect != Dialect::Sqlite;
    if mysql && (words.take(&["DROP", "DATABASE"]) || words.take(&["DROP", "SCHEMA"])) {
        return false;
    }
    // What is replaced is dropped first.
    if mysql
        && (words.take(&["CREATE", "OR", "REPLACE", "TABLE"]) || words.take(&["CREATE", "OR", "REPLACE", "SEQUENCE"]))
    {
        return false;
    }
    if dialect == Dialect::Mariadb && words.take(&["DROP"]) {
        words.any(&["TEMPORARY"]);
        let each = ["TABLE", "TABLES", "VIEW", "SEQUENCE", "USER", "ROLE"];
        return !(words.any(&each) && words.later(","));
    }
    if words.peek("SET") {
        return !words.take(&["SET", "STATEMENT"]);
    }
    // A user may be one of several, and those before it stay.
    let given = words.peek("GRANT") || words.peek("REVOKE");
    let accounts = words.later("USER") || words.later("ROLE");
    if mysql && given {
        let last =
            words.list.iter().rposition(|(word, _)| ["TO", "FROM"].iter().any(|to| word.eq_ignore_ascii_case(to)));
        let behind = &words.list[last.unwrap_or(0)..];
        return !accounts && !behind.iter().any(|(word, _)| word == ",");
    }
    if mysql && words.any(&["CREATE", "ALTER", "DROP", "RENAME"]) {
        words.take(&["OR", "REPLACE"]);
        return !words.any(&["USER", "ROLE"]) || !words.later(",");
    }
    let others = [
        "CREATE",
        "ALTER",
        "DROP",
        "TRUNCATE",
        "COMMENT",
        "GRANT",
        "REVOKE",
        "VACUUM",
        "REINDEX",
        "CLUSTER",
        "DISCARD",
        "CHECKPOINT",
        "ANALYZE",
        "ANALYSE",
        "OPTIMIZE",
        "CHECK",
        "REPAIR",
        "FLUSH",
        "PREPARE",
        "DEALLOCATE",
        "PRAGMA",
        "REFRESH",
        "LOCK",
        "UNLOCK",
        "USE",
        "SIGNAL",
    ];
    words.any(&others)
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
