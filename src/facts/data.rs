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
    let table = match before {
        Some(before) => called(cursor, before),
        None => cursor.name().unwrap_or_default(),
    };
    Some(Fact::Rows(RowChange { deletes: true, table, verb, reach: reach(cursor), sets: Vec::new() }))
}

/// The table that a statement calls by another name, as it stands behind FROM.
fn called(cursor: &Cursor<'_>, other: Name) -> Name {
    let mut ahead = cursor.clone();
    while !ahead.over() {
        let Some(table) = ahead.name() else {
            ahead.skip();
            continue;
        };
        ahead.take("AS");
        if ahead.ident().is_some_and(|own| own.name.eq_ignore_ascii_case(&other.name)) {
            return Name { span: other.span, ..table };
        }
        while !ahead.over() && !ahead.take(",") && !ahead.take("JOIN") {
            ahead.skip();
        }
    }
    other
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
    let reach = reach(cursor);
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
        if let Some(name) = ahead.folded() {
            sets.push(Ident { name: name.name, span: name.span });
        }
        ahead.pass_to_boundary(&["WHERE", "FROM", "RETURNING", "ORDER", "LIMIT"]);
    }
    sets.shrink_to_fit();
    sets
}

fn reach(cursor: &Cursor<'_>) -> Reach {
    if cursor.find("LIMIT").is_some() {
        return Reach::Some;
    }
    let Some(condition) = cursor.find("WHERE") else {
        // Only MySQL and MariaDB join the table itself; elsewhere what it is joined with takes no row away.
        let joins = cursor.mysql() && cursor.find("JOIN").is_some() && cursor.find("LEFT").is_none();
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
    let mut inside = cursor.clone();
    while !inside.over() && inside.here().start < span.start {
        inside.skip();
    }
    if always_true(&mut inside, span.end) { Reach::AlwaysTrue(span) } else { Reach::Some }
}

/// Says whether a condition is one of those that are written to mean every row: it is true whatever the row holds.
fn always_true(cursor: &mut Cursor<'_>, end: usize) -> bool {
    let mut any = false;
    loop {
        let mut all = true;
        loop {
            all &= part_is_true(cursor, end);
            if !cursor.take("AND") {
                break;
            }
        }
        any |= all;
        if !cursor.any(&["OR", "||"]) {
            return any;
        }
    }
}

/// The same of what stands between AND and OR; the cursor is left behind it.
fn part_is_true(cursor: &mut Cursor<'_>, end: usize) -> bool {
    let denied = cursor.take("NOT");
    let boundary = ["AND", "OR", "||", "RETURNING", "ORDER"];
    if cursor.peek("(") {
        let mut inside = cursor.clone();
        inside.skip();
        let whole = cursor.parentheses();
        let ends = cursor.over() || cursor.here().start >= end || cursor.peek_any(&boundary) || cursor.peek(")");
        if ends && !denied {
            return whole.is_some_and(|whole| always_true(&mut inside, whole.end));
        }
        pass(cursor, end, &boundary);
        return false;
    }
    let start = cursor.here();
    pass(cursor, end, &boundary);
    let said = cursor.said(cursor.since(start)).to_lowercase();
    if denied {
        return matches!(said.as_str(), "false" | "0");
    }
    let number = |side: &str| side.parse::<f64>().ok();
    if said == "true" || number(&said).is_some_and(|number| number != 0.0) {
        return true;
    }
    let sides = [" = = ", " == ", " = "].iter().find_map(|equals| said.split_once(equals));
    if let Some((left, right)) = sides {
        // A column that is equal to itself is only not null, and nobody writes that to say so.
        return left == right && !left.contains('(');
    }
    let other = [" < > ", " <> ", " ! = ", " != "].iter().find_map(|differs| said.split_once(differs));
    other.is_some_and(|(left, right)| left != right && is_constant(left) && is_constant(right))
}

fn pass(cursor: &mut Cursor<'_>, end: usize, boundary: &[&str]) {
    let between = cursor.find("BETWEEN").is_some();
    while !cursor.over() && cursor.here().start < end && !cursor.peek(")") {
        if cursor.peek_any(boundary) && !(between && cursor.peek("AND")) {
            return;
        }
        if !cursor.peek("(") || cursor.parentheses().is_none() {
            cursor.skip();
        }
    }
}

fn is_constant(side: &str) -> bool {
    side.parse::<f64>().is_ok()
        || side.len() > 1 && side.starts_with('\'') && side.ends_with('\'') && !side[1..side.len() - 1].contains('\'')
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
        return Some(Fact::Insert(Insertion { table, columns, from: None, selected: None, filter: None, verb }));
    }
    let from: Vec<Name> = cursor.sources();
    let filter = ["WHERE", "LIMIT", "HAVING"].into_iter().find_map(|word| cursor.find(word));
    let selected = selected(cursor);
    Some(Fact::Insert(Insertion { table, columns, from: Some(from), selected, filter, verb }))
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
        let name = if ahead.peek("(") || ahead.is_string() { None } else { ahead.folded() };
        let alone = ahead.peek_any(&[",", "FROM", "AS", "COLLATE"]);
        ahead.pass_to_boundary(&["FROM"]);
        let span: Span = ahead.since(start);
        names.push(Ident { name: name.filter(|_| alone).map_or_else(String::new, |name| name.name), span });
        if !ahead.take(",") {
            return ahead.peek("FROM").then_some(names);
        }
    }
}
