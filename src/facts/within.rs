//! The statements that stand inside of blocks and routines.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::facts::cursor::Cursor;
use crate::sql::split::split;
use crate::text::{Span, begins};

/// In what kind of body a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// It runs with the statement: a DO block.
    Runs,
    /// It runs when something else calls it: a routine or trigger.
    Called,
}

/// Returns the static statements in the body of a DO block or routine, with their places in `text`.
pub fn within(text: &str, flavour: Flavour) -> Option<(Body, Vec<Span>)> {
    if !begins(text, "DO") && !begins(text, "BEGIN") && !begins(text, "CREATE") {
        return None;
    }
    let cursor = Cursor::of(text, flavour);
    let block = cursor.peek("DO") && cursor.is(Dialect::Postgres);
    let body = if block || cursor.peek("BEGIN") && cursor.peek_behind(1, "NOT") {
        Body::Runs
    } else if cursor.peek("CREATE")
        && ["FUNCTION", "PROCEDURE", "TRIGGER", "EVENT"].iter().any(|word| cursor.later(word))
    {
        Body::Called
    } else {
        return None;
    };
    if !cursor.is(Dialect::Postgres) {
        return Some((body, inner(text, Span::new(0, text.len()), flavour)));
    }
    let bodies = bodies(text, cursor)?;
    Some((body, bodies.into_iter().flat_map(|body| inner(text, body, flavour)).collect()))
}

/// The insides of the dollar-quoted texts of a statement.
fn bodies(text: &str, mut cursor: Cursor<'_>) -> Option<Vec<Span>> {
    let mut bodies = Vec::new();
    while !cursor.over() {
        let here = cursor.here();
        if cursor.is_string() && here.of(text).starts_with('$') {
            let inside = cursor.string()?;
            let quote = (here.end - here.start - inside.len()) / 2;
            bodies.push(Span::new(here.start + quote, here.end - quote));
        } else {
            cursor.skip();
        }
    }
    Some(bodies)
}

/// Says whether a block that runs with its statement puts text together and runs that: nobody can tell what it does.
pub fn dynamic(text: &str, flavour: Flavour) -> bool {
    if !begins(text, "DO") {
        return false;
    }
    let cursor = Cursor::of(text, flavour);
    let block = cursor.peek("DO") && cursor.is(Dialect::Postgres);
    if !block {
        return false;
    }
    let Some(bodies) = bodies(text, cursor) else { return false };
    bodies.iter().any(|body| {
        let mut inside = Cursor::of(body.of(text), flavour);
        let mut opened = true;
        while !inside.at_end() {
            if opened && inside.peek("EXECUTE") {
                return true;
            }
            opened = inside.peek(";") || inside.peek_any(&OPENERS);
            inside.skip();
        }
        false
    })
}

/// Words behind which a statement of a body begins.
const OPENERS: [&str; 9] = ["BEGIN", "THEN", "ELSE", "LOOP", "DO", "ATOMIC", "ROW", "EACH", "AS"];

/// The statements of a body that define or change something, each up to its semicolon.
fn inner(text: &str, body: Span, flavour: Flavour) -> Vec<Span> {
    let verbs = ["CREATE", "ALTER", "DROP", "TRUNCATE", "DELETE", "UPDATE"];
    let mut cursor = Cursor::of(body.of(text), flavour);
    let mut spans = Vec::new();
    let (mut opened, mut adding) = (true, false);
    let first = cursor.here();
    while !cursor.at_end() {
        // The statement itself is not inside of itself.
        let outer = cursor.here() == first && body.start == 0;
        if opened && !outer && cursor.peek_any(&verbs) {
            let start = cursor.here();
            while !cursor.at_end() && !cursor.peek(";") {
                cursor.skip();
            }
            spans.push(cursor.since(start).shifted(body.start));
        }
        // The DO of an INSERT with ON CONFLICT belongs to it.
        adding = (adding || opened && cursor.peek_any(&["INSERT", "WITH"])) && !cursor.peek(";");
        opened = cursor.peek(";") || cursor.peek_any(&OPENERS) && !(adding && cursor.peek("DO"));
        cursor.skip();
    }
    // What a dollar-quoted body in SQL holds is split as a script is.
    spans.retain(|span| split(span.of(text), flavour).len() == 1);
    spans
}
