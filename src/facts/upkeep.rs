//! Statements that set, keep in shape, or say something about what is there.

use crate::facts::cursor::Cursor;
use crate::facts::{Fact, Name, Object};

/// Reads SET, RESET and PRAGMA; the cursor stands on the word.
pub(super) fn setting(cursor: &mut Cursor<'_>) -> Option<Fact> {
    let pragma = cursor.peek("PRAGMA");
    let reset = cursor.peek("RESET");
    cursor.skip();
    let local = cursor.take("LOCAL");
    let _ = cursor.any(&["SESSION CHARACTERISTICS", "SESSION", "GLOBAL", "STATEMENT"]);
    if cursor.peek_any(&["TRANSACTION", "CONSTRAINTS", "PASSWORD"]) {
        return Some(Fact::Nothing);
    }
    let start = cursor.here();
    if cursor.any(&["ROLE", "NAMES", "TIME ZONE", "AUTHORIZATION"]) {
        let name = cursor.since(start).of(cursor.text).to_lowercase();
        let value = cursor.shown().to_owned();
        return Some(Fact::Set { name, value, local });
    }
    let mut name = cursor.shown().to_lowercase();
    cursor.skip();
    while cursor.take(".") {
        name = cursor.shown().to_lowercase();
        cursor.skip();
    }
    let name = name.trim_start_matches("@@session.").trim_start_matches("@@").to_owned();
    let value_given = cursor.any(&[": =", "=", "TO", "("]);
    if pragma && !value_given {
        return Some(Fact::Nothing);
    }
    let value = if reset { "DEFAULT" } else { cursor.shown() };
    Some(Fact::Set { name, value: value.trim_matches('\'').to_owned(), local })
}

/// Reads VACUUM and what else keeps tables in shape; the cursor stands on the word.
pub(super) fn maintained(cursor: &mut Cursor<'_>) -> Option<Fact> {
    let mysql = cursor.mysql();
    if cursor.take("REFRESH MATERIALIZED VIEW") {
        let concurrently = cursor.take("CONCURRENTLY");
        let name = cursor.name()?;
        return Some(Fact::Refresh {
            name,
            concurrently,
            filled: !cursor.peek("WITH") || !cursor.peek_behind(1, "NO"),
        });
    }
    if cursor.take("REINDEX") {
        let concurrently = cursor.later("CONCURRENTLY");
        return Some(Fact::Reindex { concurrently, system: cursor.later("SYSTEM") });
    }
    if cursor.take("VACUUM") {
        let mut full = false;
        if cursor.peek("(") {
            let options = cursor.parentheses()?;
            let options = cursor.said(options).to_lowercase();
            let said = options.split(',').map(str::trim).rfind(|option| option.starts_with("full"));
            full = said.is_some_and(|said| !["false", "off", "0"].iter().any(|no| said.ends_with(no)));
        }
        full |= cursor.take("FULL");
        while cursor.any(&["FREEZE", "VERBOSE", "ANALYZE", "ANALYSE"]) {}
        if !full {
            return Some(Fact::Nothing);
        }
        return Some(Fact::Rewrite { words: "VACUUM FULL", tables: listed(cursor) });
    }
    if mysql && cursor.take("OPTIMIZE") {
        cursor.any(&["LOCAL", "NO_WRITE_TO_BINLOG"]);
        cursor.any(&["TABLE", "TABLES"]);
        return Some(Fact::Rewrite { words: "OPTIMIZE TABLE", tables: listed(cursor) });
    }
    cursor.take("CLUSTER");
    if cursor.peek("(") {
        cursor.parentheses()?;
    }
    cursor.any(&["VERBOSE"]);
    // An older form names the index first.
    let first = cursor.name();
    let table = if cursor.take("ON") { cursor.name() } else { first };
    Some(Fact::Rewrite { words: "CLUSTER", tables: table.into_iter().collect() })
}

/// Tables with commas between them, each with the columns that may stand behind it.
fn listed(cursor: &mut Cursor<'_>) -> Vec<Name> {
    let mut tables = Vec::new();
    while let Some(table) = cursor.name() {
        tables.push(table);
        if cursor.peek("(") && cursor.parentheses().is_none() {
            break;
        }
        if !cursor.take(",") {
            break;
        }
    }
    tables
}

/// Reads COMMENT ON.
pub(super) fn comment(cursor: &mut Cursor<'_>) -> Option<Fact> {
    cursor.take("COMMENT ON");
    if cursor.take("TABLE") {
        return Some(Fact::Comment { on: Object::Table, name: cursor.name()?, column: None });
    }
    if !cursor.take("COLUMN") {
        return Some(Fact::Nothing);
    }
    let mut parts = vec![cursor.ident()?];
    while cursor.take(".") {
        parts.push(cursor.ident()?);
    }
    let column = parts.pop()?;
    let table = parts.pop()?;
    let schema = parts.pop().map(|part| part.name).filter(|schema| schema != "public");
    Some(Fact::Comment {
        on: Object::Column,
        name: Name { schema, name: table.name, span: table.span },
        column: Some(column.name),
    })
}
