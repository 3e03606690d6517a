//! `COPY` of PostgreSQL, where rows come from its client or go to it.
//!
//! Refuses to read the rows.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::sql::lex::Lexer;
use crate::sql::split::split;
use crate::text::{Span, begins, holds};

/// Says whether a statement of PostgreSQL takes rows from its client (`STDIN`) or gives rows to it (`STDOUT`).
pub fn copies(text: &str, flavour: impl Into<Flavour>) -> Option<&'static str> {
    let flavour = flavour.into();
    if flavour.dialect != Dialect::Postgres {
        return None;
    }
    let (mut depth, mut words) = (0_usize, Vec::new());
    for token in Lexer::new(text, flavour).filter(|token| token.kind.is_significant()) {
        let word = token.span.of(text);
        if words.is_empty() && !begins(word, "COPY") {
            return None;
        }
        match word {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if depth == 0 => words.push(word),
            _ => {}
        }
    }
    let has = |pair: [&str; 2]| {
        words.windows(2).any(|found| found[0].eq_ignore_ascii_case(pair[0]) && found[1].eq_ignore_ascii_case(pair[1]))
    };
    // Behind FROM and TO only these two words are not in quotes; a table in a query may be called so.
    if has(["FROM", "STDIN"]) {
        return Some("STDIN");
    }
    has(["TO", "STDOUT"]).then_some("STDOUT")
}

/// What is said of rows in a data change.
pub const NO_ROWS: &str = "rows of COPY cannot stand in a data change";

/// Finds the first statement that takes rows from the lines behind it.
pub fn taking_rows(text: &str, flavour: Flavour) -> Option<Span> {
    if !holds(text, "stdin") {
        return None;
    }
    let takes = |span: &Span| copies(span.of(text), flavour) == Some("STDIN");
    split(text, flavour).into_iter().map(|statement| statement.span).find(takes)
}
