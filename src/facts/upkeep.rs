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
        let listed = cursor.peek("(") && cursor.later("FULL");
        let full = cursor.take("FULL") || listed;
        if cursor.peek("(") {
            cursor.parentheses()?;
        }
        cursor.any(&["FREEZE", "VERBOSE", "ANALYZE"]);
        if !full {
            return Some(Fact::Nothing);
        }
        return Some(Fact::Rewrite { words: "VACUUM FULL", tables: cursor.name().into_iter().collect() });
    }
    if mysql && cursor.take("OPTIMIZE") {
        cursor.any(&["LOCAL", "NO_WRITE_TO_BINLOG"]);
        cursor.any(&["TABLE", "TABLES"]);
        return Some(Fact::Rewrite { words: "OPTIMIZE TABLE", tables: cursor.name().into_iter().collect() });
    }
    cursor.take("CLUSTER");
    cursor.any(&["VERBOSE"]);
    Some(Fact::Rewrite { words: "CLUSTER", tables: cursor.name().into_iter().collect() })
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
