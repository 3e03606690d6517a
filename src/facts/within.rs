//! The statements that stand inside of other statements: in blocks, in routines, behind WITH, and in texts that are run.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::facts::cursor::Cursor;
use crate::sql::lex::Lexer;
use crate::sql::split::split;
use crate::text::{Span, begins};

/// In what kind of body a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// It runs with the statement: a DO block, a part of WITH.
    Runs,
    /// It runs when something else calls it: a routine or trigger, a prepared statement.
    Called,
}

/// What a statement is, of those that hold others.
enum Holder {
    Block,
    Routine,
    With,
    Prepared,
    Immediate,
}

/// How many of its first tokens say what a statement is: behind them stand no more options of CREATE.
const FIRST: usize = 24;

fn holder(text: &str, flavour: Flavour) -> Option<Holder> {
    let postgres = flavour.dialect == Dialect::Postgres;
    match () {
        () if begins(text, "WITH") => return Some(Holder::With),
        () if begins(text, "DO") => return postgres.then_some(Holder::Block),
        () if begins(text, "PREPARE") => return Some(Holder::Prepared),
        () if begins(text, "EXECUTE") => return flavour.is_mysql().then_some(Holder::Immediate),
        () if !begins(text, "CREATE") && !begins(text, "BEGIN") => return None,
        () => {}
    }
    let tokens = Lexer::new(text, flavour).filter(|token| token.kind.is_significant());
    let mut words = tokens.skip(1).take(FIRST).map(|token| token.span.of(text));
    let is = |word: &str, names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    if begins(text, "BEGIN") {
        return words.next().filter(|word| is(word, &["NOT"])).map(|_| Holder::Block);
    }
    for word in words {
        if is(word, &["FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "BODY"]) {
            return Some(Holder::Routine);
        }
        if is(word, &["TABLE", "INDEX", "VIEW", "TYPE", "("]) {
            return None;
        }
    }
    None
}

/// Returns the static statements in what a statement holds, with their places in `text`.
pub fn within(text: &str, flavour: Flavour) -> Option<(Body, Vec<Span>)> {
    let holder = holder(text, flavour)?;
    let whole = Span::new(0, text.len());
    let (body, mut spans) = match holder {
        Holder::With => (Body::Runs, parts(text, whole, flavour)),
        Holder::Prepared => (Body::Called, prepared(text, flavour)),
        Holder::Immediate => (Body::Runs, texts(text, flavour, "IMMEDIATE")),
        Holder::Block | Holder::Routine => {
            let body = if matches!(holder, Holder::Block) { Body::Runs } else { Body::Called };
            let insides = if flavour.dialect == Dialect::Postgres { bodies(text, flavour) } else { vec![whole] };
            (body, insides.into_iter().flat_map(|inside| inner(text, inside, flavour)).collect())
        }
    };
    let with: Vec<Span> = spans.iter().copied().filter(|span| begins(span.of(text), "WITH")).collect();
    spans.extend(with.into_iter().flat_map(|span| parts(text, span, flavour)));
    // What a body in SQL holds is split as a script is.
    spans.retain(|span| split(span.of(text), flavour).len() == 1);
    spans.sort_by_key(|span| span.start);
    Some((body, spans))
}

/// The statements in parentheses behind WITH that change rows.
fn parts(text: &str, whole: Span, flavour: Flavour) -> Vec<Span> {
    let mut cursor = Cursor::of(whole.of(text), flavour);
    let mut spans = Vec::new();
    while !cursor.over() {
        if cursor.peek("(") {
            cursor.skip();
            if cursor.peek_any(&["DELETE", "UPDATE", "INSERT"]) {
                let start = cursor.here();
                cursor.pass_to_close();
                spans.push(cursor.since(start).shifted(whole.start));
            }
        } else {
            cursor.skip();
        }
    }
    spans
}

/// The statement behind `PREPARE ... AS`, or in the text behind `PREPARE ... FROM`.
fn prepared(text: &str, flavour: Flavour) -> Vec<Span> {
    if flavour.is_mysql() {
        return texts(text, flavour, "FROM");
    }
    let mut cursor = Cursor::of(text, flavour);
    while !cursor.over() && !cursor.take("AS") {
        cursor.skip();
    }
    let start = cursor.here();
    while !cursor.over() {
        cursor.skip();
    }
    vec![cursor.since(start)]
}

/// The text that stands alone behind a word.
fn texts(text: &str, flavour: Flavour, word: &str) -> Vec<Span> {
    let mut cursor = Cursor::of(text, flavour);
    while !cursor.over() && !cursor.take(word) {
        cursor.skip();
    }
    inside_of_text(&mut cursor).into_iter().collect()
}

/// Takes a text behind which its statement ends, and returns the place of its inside.
fn inside_of_text(cursor: &mut Cursor<'_>) -> Option<Span> {
    let here = cursor.here();
    let mut ahead = cursor.clone();
    let inside = ahead.string()?;
    if !(ahead.over() || ahead.peek_any(&["USING", "INTO"])) {
        return None;
    }
    *cursor = ahead;
    let start = inside.as_ptr() as usize - cursor.text.as_ptr() as usize;
    debug_assert!(here.start <= start, "a text has its inside behind its quote");
    Some(Span::new(start, start + inside.len()))
}

/// Returns the insides of the bodies of a block or routine of PostgreSQL: its quoted texts, or all behind BEGIN ATOMIC.
pub fn bodies(text: &str, flavour: Flavour) -> Vec<Span> {
    let mut cursor = Cursor::of(text, flavour);
    let block = cursor.peek("DO");
    let mut bodies = Vec::new();
    let mut behind_as = block;
    while !cursor.over() {
        let here = cursor.here();
        if cursor.peek("BEGIN") && cursor.peek_behind(1, "ATOMIC") {
            bodies.push(Span::new(here.start, text.len()));
            break;
        }
        let body = cursor.is_string() && (behind_as || here.of(text).starts_with('$'));
        behind_as = block || cursor.peek("AS");
        match cursor.string().filter(|_| body) {
            Some(inside) => {
                let start = inside.as_ptr() as usize - text.as_ptr() as usize;
                bodies.push(Span::new(start, start + inside.len()));
            }
            None if cursor.here() == here => cursor.skip(),
            None => {}
        }
    }
    bodies
}

/// Says whether a statement runs text that is put together as it runs: nobody can tell what it does.
pub fn dynamic(text: &str, flavour: Flavour) -> bool {
    let holder = match holder(text, flavour) {
        Some(holder @ (Holder::Block | Holder::Immediate)) => holder,
        Some(holder @ Holder::Prepared) if flavour.is_mysql() => holder,
        _ => return false,
    };
    if !matches!(holder, Holder::Block) {
        return within(text, flavour).is_none_or(|(_, spans)| spans.is_empty());
    }
    let bodies =
        if flavour.dialect == Dialect::Postgres { bodies(text, flavour) } else { vec![Span::new(0, text.len())] };
    bodies.iter().any(|body| {
        let mut inside = Cursor::of(body.of(text), flavour);
        let mut opened = true;
        while !inside.at_end() {
            if opened && inside.take("EXECUTE") {
                inside.any(&["IMMEDIATE"]);
                if inside_of_text(&mut inside).is_none() {
                    return true;
                }
            }
            opened = inside.peek(";") || inside.peek_any(&OPENERS);
            inside.skip();
        }
        false
    })
}

/// Words behind which a statement of a body begins.
const OPENERS: [&str; 9] = ["BEGIN", "THEN", "ELSE", "LOOP", "DO", "ATOMIC", "ROW", "EACH", "AS"];

/// Words that begin the statements of a body that define or change something.
const VERBS: [&str; 11] =
    ["CREATE", "ALTER", "DROP", "TRUNCATE", "DELETE", "UPDATE", "WITH", "REINDEX", "REFRESH", "CLUSTER", "PREPARE"];

/// The statements of a body that define or change something, each up to its semicolon.
fn inner(text: &str, body: Span, flavour: Flavour) -> Vec<Span> {
    let mut cursor = Cursor::of(body.of(text), flavour);
    let mut spans = Vec::new();
    let (mut opened, mut adding) = (true, false);
    let first = cursor.here();
    let outer = |cursor: &Cursor<'_>| cursor.here() == first && body.start == 0;
    // MySQL: a body of one statement begins behind the arguments without a word before it.
    let mut bare = outer(&cursor)
        && flavour.is_mysql()
        && (1..FIRST).any(|at| cursor.peek_behind(at, "PROCEDURE") || cursor.peek_behind(at, "FUNCTION"));
    while !cursor.at_end() {
        bare &= !cursor.peek("BEGIN");
        if bare && cursor.peek("(") && cursor.parentheses().is_some() {
            continue;
        }
        // The statement itself is not inside of itself.
        if (opened || bare) && !outer(&cursor) {
            if cursor.take("EXECUTE") {
                cursor.any(&["IMMEDIATE"]);
                spans.extend(inside_of_text(&mut cursor).map(|span| span.shifted(body.start)));
            } else if cursor.peek_any(&VERBS) {
                let start = cursor.here();
                while !cursor.at_end() && !cursor.peek(";") {
                    cursor.skip();
                }
                spans.push(cursor.since(start).shifted(body.start));
            }
        }
        // The DO of an INSERT with ON CONFLICT belongs to it.
        adding = (adding || opened && cursor.peek_any(&["INSERT", "WITH"])) && !cursor.peek(";");
        opened = cursor.peek(";") || cursor.peek_any(&OPENERS) && !(adding && cursor.peek("DO"));
        cursor.skip();
    }
    spans
}
