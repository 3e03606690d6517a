//! Whether one statement is what its engine accepts.
//!
//! Guards come first, so that no parser sees what could exhaust it; then the engine's own parser, or the recogniser
//! where there is none to link. Refuses to know files and findings.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::config::limits::Limits;
use crate::sql::lex::{Lexer, TokenKind, token_at};
use crate::sql::split::Statement;
use crate::sql::{facts, mysql, postgres, remedies, sqlite};
use crate::text::Span;

/// The answer. Spans count in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Well formed.
    Accepted,
    /// Not what the engine accepts.
    Rejected {
        /// The token.
        span: Span,
        /// What is wrong with it, in the engine's words.
        message: String,
        /// The remedy, where one is known.
        help: Option<String>,
    },
    /// Well formed, but the engine refuses it because of the schema that it meets.
    Refused {
        /// The name.
        span: Span,
        /// The engine's words.
        message: String,
    },
    /// Well formed for a newer release than the one that is declared.
    Newer {
        /// The construct.
        span: Span,
        /// What needs which release.
        message: String,
    },
    /// Not decided.
    Unknown {
        /// The statement's first token.
        span: Span,
        /// Why.
        why: String,
    },
    /// Beyond a bound, so not judged at all.
    TooMuch {
        /// The statement's first token.
        span: Span,
        /// Which bound.
        message: String,
    },
}

/// What a checking server says of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Well formed.
    Accepted,
    /// Not well formed.
    Rejected {
        /// The byte of the statement that it points at.
        byte: Option<usize>,
        /// Its words.
        message: String,
    },
    /// It did not answer: the verdict without it stands.
    Silent,
}

/// By whom and within what a statement is judged.
#[derive(Clone, Copy)]
pub struct Bench<'b> {
    /// Who reads it.
    pub flavour: Flavour,
    /// The bounds.
    pub limits: Limits,
    /// SQLite: the schema so far; without it only the form is judged.
    pub replay: Option<&'b RefCell<sqlite::Replay>>,
    /// A server of that product, where one is to be asked.
    pub server: Option<&'b dyn Fn(&str) -> Answer>,
}

/// Judges one statement of `file`.
pub fn judge(file: &str, statement: &Statement, bench: Bench<'_>) -> Verdict {
    let text = statement.span.of(file);
    if let Some(refused) = bounds(file, statement, bench.limits) {
        return refused;
    }
    if let Some(rejected) = unclosed(file, statement) {
        return rejected;
    }
    // A defect of a parser must not take the others' statements along.
    let asked = catch_unwind(AssertUnwindSafe(|| with_server(text, bench, ask(text, bench))));
    let verdict = asked.unwrap_or_else(|_| Verdict::Rejected {
        span: Span::new(0, text.len().min(1)),
        message: "the checker failed on this statement, so it cannot be let through".to_owned(),
        help: Some("please report it; until then write the statement in another way".to_owned()),
    });
    placed(file, statement, bench.flavour, verdict)
}

/// Lets a checking server have the last word on form. Bodies in PL/pgSQL it does not look into.
fn with_server(text: &str, bench: Bench<'_>, verdict: Verdict) -> Verdict {
    let Some(server) = bench.server else { return verdict };
    match (server(text), verdict) {
        (Answer::Silent, verdict) => verdict,
        // A placeholder may be prepared, and never run by itself.
        (Answer::Accepted, Verdict::Rejected { span, message, help }) if span.of(text) == "?" => {
            Verdict::Rejected { span, message, help }
        }
        (Answer::Accepted, Verdict::Rejected { .. }) if bench.flavour.dialect == Dialect::Postgres => {
            postgres::judge_bodies(text).unwrap_or(Verdict::Accepted)
        }
        (Answer::Accepted, Verdict::Rejected { .. } | Verdict::Newer { .. } | Verdict::Unknown { .. }) => {
            Verdict::Accepted
        }
        (Answer::Accepted, verdict) => verdict,
        (Answer::Rejected { byte, message }, verdict) => {
            let own = match &verdict {
                Verdict::Rejected { span, .. } => Some(*span),
                _ => None,
            };
            let span = byte
                .map(|byte| token_at(text, byte, bench.flavour))
                .or(own)
                .unwrap_or_else(|| facts::head(text, bench.flavour).verb_span);
            Verdict::Rejected { span, message, help: None }
        }
    }
}

/// Asks the engine's parser. Spans count in `text`.
fn ask(text: &str, bench: Bench<'_>) -> Verdict {
    match (bench.flavour.dialect, bench.replay) {
        (Dialect::Postgres, _) => postgres::judge(text, bench.flavour),
        (Dialect::Sqlite, Some(replay)) => replay.borrow_mut().judge(text),
        (Dialect::Sqlite, None) => sqlite::judge(text),
        (Dialect::Mysql | Dialect::Mariadb, _) => {
            let verdict = mysql::judge(text, bench.flavour);
            match (&verdict, lexical(text, bench.flavour)) {
                (Verdict::Unknown { .. }, Some(certain)) => certain,
                _ => verdict,
            }
        }
    }
}

/// Moves a verdict's place into the file, gives an empty one a character, and adds the remedy that is known.
fn placed(file: &str, statement: &Statement, flavour: Flavour, verdict: Verdict) -> Verdict {
    let text = statement.span.of(file);
    let place = |span: Span| {
        let span = span.shifted(statement.span.start).clamped(file);
        match span.start < span.end {
            true => span,
            false => at_end(file, span.end),
        }
    };
    match verdict {
        Verdict::Accepted => Verdict::Accepted,
        Verdict::Rejected { span, message, help } => {
            let known = remedies::remedy(text, span, flavour, &message);
            Verdict::Rejected { span: place(span), message, help: known.or(help) }
        }
        Verdict::Refused { span, message } => Verdict::Refused { span: place(span), message },
        Verdict::Newer { span, message } => Verdict::Newer { span: place(span), message },
        Verdict::Unknown { span, why } => Verdict::Unknown { span: place(span), why },
        Verdict::TooMuch { span, message } => Verdict::TooMuch { span: place(span), message },
    }
}

/// The end of a statement: its terminator, or its last character where it has none.
fn at_end(file: &str, end: usize) -> Span {
    if file[end..].starts_with(';') {
        return Span::new(end, end + 1);
    }
    let last = file[..end].char_indices().next_back().map_or(0, |(at, _)| at);
    Span::new(last, end).clamped(file)
}

fn bounds(file: &str, statement: &Statement, limits: Limits) -> Option<Verdict> {
    let span = first_token(file, statement);
    let length = statement.span.end - statement.span.start;
    if length as u64 > limits.statement {
        let message = format!("this statement has {length} bytes; the limit is {}", limits.statement);
        return Some(Verdict::TooMuch { span, message });
    }
    if statement.depth > limits.nesting {
        let message =
            format!("this statement nests brackets {} levels deep; the limit is {}", statement.depth, limits.nesting);
        return Some(Verdict::TooMuch { span, message });
    }
    None
}

fn first_token(file: &str, statement: &Statement) -> Span {
    let text = statement.span.of(file);
    let first = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()).max(1);
    Span::new(statement.span.start, statement.span.start + first).clamped(file)
}

fn unclosed(file: &str, statement: &Statement) -> Option<Verdict> {
    let span = statement.unclosed?;
    let opening = span.of(file);
    let (what, length) = match opening.as_bytes().first() {
        Some(b'\'') => ("string", 1),
        Some(b'"' | b'`' | b'[') => ("quoted name", 1),
        Some(b'/') => ("comment", 2),
        Some(b'$') => ("dollar quote", opening[1..].find('$').map_or(1, |end| end + 2)),
        _ => ("string", 2),
    };
    Some(Verdict::Rejected {
        span: Span::new(span.start, span.start + length),
        message: format!("the {what} that opens here is never closed, so the rest of the file belongs to it"),
        help: Some(format!("close it, or take the `{}` away", &opening[..length.min(opening.len())])),
    })
}

/// Mistakes that no dialect accepts, found in the tokens alone. Spans count in `text`.
fn lexical(text: &str, flavour: Flavour) -> Option<Verdict> {
    let mut open: Vec<Span> = Vec::new();
    let mut comma: Option<Span> = None;
    let reject = |span: Span, message: &str| Some(Verdict::Rejected { span, message: message.to_owned(), help: None });
    for token in Lexer::new(text, flavour).filter(|token| token.kind.is_significant()) {
        let word = token.span.of(text);
        match (token.kind, word) {
            (TokenKind::Symbol, "(") => open.push(token.span),
            (TokenKind::Symbol, ")") if comma.is_some() => return reject(token.span, "a comma stands before `)`"),
            (TokenKind::Symbol, ")") if open.pop().is_none() => return reject(token.span, "this `)` was never opened"),
            _ => {}
        }
        comma = (token.kind == TokenKind::Symbol && word == ",").then_some(token.span);
    }
    if let Some(span) = open.last() {
        return reject(*span, "this `(` is never closed in its statement");
    }
    let head = facts::head(text, flavour);
    let known = facts::first_words().any(|first| first == head.verb);
    if known { None } else { reject(head.verb_span, "no statement begins like this") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::split::split;

    fn verdict(text: &str, dialect: Dialect) -> Verdict {
        let bench = Bench { flavour: dialect.into(), limits: Limits::default(), replay: None, server: None };
        judge(text, &split(text, dialect)[0], bench)
    }

    #[test]
    fn what_is_broken_in_every_dialect_is_rejected_in_every_dialect() {
        for dialect in Dialect::ALL {
            for text in [
                "CREATE TABLE a (i int) END; DROP TABLE users;",
                "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL note TEXT, CONSTRAINT c UNIQUE (id))",
                "ALTER TABLE t ADD COLUMN a INT NOT NULL b INT",
                "CREATE TABEL t (id INTEGER)",
                "CREATE TABLE t (a int, b int,)",
                "SELECT (1",
                "INSERT INTO t (a) VALUES ('x",
            ] {
                assert!(matches!(verdict(text, dialect), Verdict::Rejected { .. }), "{dialect:?}: {text}");
            }
        }
    }

    #[test]
    fn bounds_come_before_parsers() {
        for dialect in Dialect::ALL {
            let deep = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
            assert!(matches!(verdict(&deep, dialect), Verdict::TooMuch { .. }), "{dialect:?}");
            let limits = Limits { statement: 10, ..Limits::default() };
            let statement = &split("SELECT 1 + 1 + 1", dialect)[0];
            let bench = Bench { flavour: dialect.into(), limits, replay: None, server: None };
            assert!(matches!(judge("SELECT 1 + 1 + 1", statement, bench), Verdict::TooMuch { .. }), "{dialect:?}");
        }
    }

    #[test]
    fn places_at_the_end_show_the_terminator_or_the_last_character() {
        for (text, at) in [("SELECT 1 +;", 10), ("SELECT 1 +", 9)] {
            let Verdict::Rejected { span, .. } = verdict(text, Dialect::Mariadb) else { panic!("accepted") };
            assert_eq!(span, Span::new(at, at + 1), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn verdicts_never_panic_and_point_inside(
            text in r"(CREATE TABLE|SELECT|INSERT INTO|[a-z]{1,4}|[(),;'=.*]| |1|\u{e4}|\n){0,40}",
            dialect in proptest::sample::select(Dialect::ALL.to_vec()),
        ) {
            for statement in split(&text, dialect) {
                let bench = Bench { flavour: dialect.into(), limits: Limits::default(), replay: None, server: None };
                let (Verdict::Rejected { span, .. } | Verdict::Refused { span, .. } | Verdict::Unknown { span, .. }) =
                    judge(&text, &statement, bench) else { continue };
                proptest::prop_assert!(span.start < span.end && span.end <= text.len(), "{:?}", span);
            }
        }
    }
}
