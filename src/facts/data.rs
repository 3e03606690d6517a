//! Statements that change rows.

use crate::facts::cursor::Cursor;
use crate::facts::{Fact, Ident, Insertion, Name, Reach, RowChange};
use crate::text::Span;

/// Reads a DELETE; the cursor stands on the word.
pub(super) fn delete(cursor: &mut Cursor<'_>) -> Option<Fact> {
    let verb = cursor.spot("DELETE")?;
    cursor.any(&["LOW_PRIORITY", "QUICK", "IGNORE"]);
    let before = if cursor.peek("FROM") { None } else { Some(cursor.name()?) };
    while before.is_some() && !cursor.over() && !cursor.peek("FROM") {
        cursor.skip();
    }
    cursor.take("FROM");
    cursor.take("ONLY");
    let table = before.or_else(|| cursor.name()).unwrap_or_default();
    let joins = cursor.find("USING").is_some() || cursor.find("JOIN").is_some();
    Some(Fact::Rows(RowChange { deletes: true, table, verb, reach: reach(cursor, joins), sets: Vec::new() }))
}

/// Reads an UPDATE; the cursor stands on the word.
pub(super) fn update(cursor: &mut Cursor<'_>) -> Option<Fact> {
    let verb = cursor.spot("UPDATE")?;
    cursor.any(&["LOW_PRIORITY"]);
    cursor.any(&["IGNORE"]);
    if cursor.take("OR") {
        cursor.skip();
    }
    cursor.take("ONLY");
    let table = cursor.name().unwrap_or_default();
    let joins = cursor.find("FROM").is_some() || cursor.find("JOIN").is_some();
    let reach = reach(cursor, joins);
    let sets = assigned(cursor);
    Some(Fact::Rows(RowChange { deletes: false, table, verb, reach, sets }))
}

/// The columns that stand left of the assignments behind SET.
fn assigned(cursor: &Cursor<'_>) -> Vec<Ident> {
    let mut ahead = cursor.clone();
    while !ahead.over() && !ahead.peek("SET") {
        ahead.skip();
    }
    let mut sets = Vec::new();
    while ahead.take("SET") || ahead.take(",") {
        if let Some(name) = ahead.name() {
            sets.push(Ident { name: name.name, span: name.span });
        }
        ahead.pass_to_boundary(&["WHERE", "FROM", "RETURNING", "ORDER", "LIMIT"]);
    }
    sets
}

fn reach(cursor: &Cursor<'_>, joins: bool) -> Reach {
    if cursor.find("LIMIT").is_some() {
        return Reach::Some;
    }
    let Some(condition) = cursor.find("WHERE") else {
        return if joins { Reach::Some } else { Reach::Every };
    };
    let mut ahead = cursor.clone();
    while !ahead.over() && ahead.here() != condition {
        ahead.skip();
    }
    ahead.take("WHERE");
    let start = ahead.here();
    ahead.pass_to_boundary(&["RETURNING", "ORDER", "LIMIT"]);
    let span = ahead.since(start);
    if always_true(&cursor.said(span)) { Reach::AlwaysTrue(span) } else { Reach::Some }
}

/// Says whether a condition is one of those that are written to mean every row.
fn always_true(condition: &str) -> bool {
    let mut plain: String =
        condition.chars().filter(|letter| !letter.is_whitespace()).collect::<String>().to_lowercase();
    while plain.starts_with('(') && plain.ends_with(')') {
        plain = plain[1..plain.len() - 1].to_owned();
    }
    let sides = plain.split_once("==").or_else(|| plain.split_once('='));
    let constant = |side: &str| {
        side.bytes().all(|byte| byte.is_ascii_digit())
            || side.len() > 1
                && side.starts_with('\'')
                && side.ends_with('\'')
                && !side[1..side.len() - 1].contains('\'')
    };
    plain == "true"
        || plain == "1"
        || sides.is_some_and(|(left, right)| !left.is_empty() && left == right && constant(left))
}

/// Reads an INSERT or REPLACE; the cursor stands on the word.
pub(super) fn insert(cursor: &mut Cursor<'_>) -> Option<Fact> {
    let verb = cursor.here();
    cursor.skip();
    if cursor.take("OR") {
        cursor.skip();
    }
    cursor.any(&["LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED"]);
    cursor.any(&["IGNORE"]);
    cursor.any(&["INTO"]);
    let table = cursor.name()?;
    if cursor.take("AS") {
        cursor.ident()?;
    }
    let listed = cursor.peek("(") && !cursor.peek_behind(1, "SELECT") && !cursor.peek_behind(1, "WITH");
    let columns = if listed && !cursor.peek_behind(1, ")") { Some(cursor.names()?) } else { None };
    cursor.any(&["OVERRIDING SYSTEM VALUE", "OVERRIDING USER VALUE"]);
    let written_out = cursor.peek_any(&["VALUES", "VALUE", "SET", "DEFAULT"]);
    let columns = if cursor.peek_any(&["SET", "DEFAULT"]) { Some(columns.unwrap_or_default()) } else { columns };
    if written_out {
        return Some(Fact::Insert(Insertion { table, columns, from: None, selected: None, verb }));
    }
    let from: Vec<Name> = cursor.sources();
    let selected = selected(cursor);
    Some(Fact::Insert(Insertion { table, columns, from: Some(from), selected, verb }))
}

/// The columns of a plain `SELECT a, b FROM`; an empty name for what is computed.
fn selected(cursor: &Cursor<'_>) -> Option<Vec<Ident>> {
    let mut ahead = cursor.clone();
    ahead.take("(");
    if !ahead.take("SELECT") || ahead.peek("*") {
        return None;
    }
    ahead.any(&["DISTINCT", "ALL"]);
    let mut names = Vec::new();
    loop {
        let start = ahead.here();
        let name = if ahead.peek("(") || ahead.is_string() { None } else { ahead.name() };
        let alone = ahead.peek_any(&[",", "FROM", "AS", "COLLATE"]);
        ahead.pass_to_boundary(&["FROM"]);
        let span: Span = ahead.since(start);
        names.push(Ident { name: name.filter(|_| alone).map_or_else(String::new, |name| name.name), span });
        if !ahead.take(",") {
            return ahead.peek("FROM").then_some(names);
        }
    }
}
