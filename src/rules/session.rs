//! Rules about what a session would do otherwise than the file was judged, or than the engine's own client.
//!
//! The rules about settings that stay behind a file are with the review: see [`crate::rules::running`]. Refuses to know
//! what a server has set by itself; who runs a file asks that.

use crate::finding::{Finding, Place, Rule, Severity};
use crate::rules::{Family, Looks, Script, Tally};
use crate::sql::copy::copies;
use crate::sql::facts::head;
use crate::sql::lex::{Lexer, TokenKind};
use crate::sql::settings::reads_otherwise;
use crate::sql::split::Statement;
use crate::text::{Span, holds};

/// Text reads in another way behind it.
pub static TEXT_SETTING: Rule = Rule {
    name: "text-setting",
    severity: Severity::Error,
    configurable: false,
    summary: "A setting changes where the texts behind it end.",
    explanation: "`standard_conforming_strings = off`, `NO_BACKSLASH_ESCAPES` and `ANSI_QUOTES` in `sql_mode`, and encodings \
                  whose characters may hold a quote or a backslash: what follows is not what was judged. A whole database \
                  that has such an `sql_mode` says so in the manifest. In PostgreSQL write `E'...'` where backslashes mean \
                  something.",
};

/// Counts other rows.
pub static ROW_COUNT: Rule = Rule {
    name: "row-count",
    severity: Severity::Error,
    configurable: true,
    summary: "ROW_COUNT() is not what it is in the client.",
    explanation: "Behind an UPDATE it counts the rows that were found, where the client of MySQL and MariaDB counts those \
                  that were changed: the library with which migrations are sent asks the server for that. Count with a \
                  SELECT before the change.",
};

/// Rows for a client.
pub static COPY_TO_CLIENT: Rule = Rule {
    name: "copy-to-client",
    severity: Severity::Error,
    configurable: false,
    summary: "COPY ... TO STDOUT writes to a client, and there is none.",
    explanation: "A migration changes the database; what it would print goes nowhere. The file would not be run.",
};

/// The family.
pub const FAMILY: Family =
    Family { rules: &[&TEXT_SETTING, &ROW_COUNT, &COPY_TO_CLIENT], looks: Looks::AtScript(look) };

fn look(script: &Script<'_>, _tally: &mut Tally) -> Vec<Finding> {
    if script.bench.is_none() {
        return Vec::new();
    }
    let statements = script.statements.iter().filter(|statement| !statement.client && !statement.copied);
    statements.filter_map(|statement| found(script, statement)).collect()
}

fn found(script: &Script<'_>, statement: &Statement) -> Option<Finding> {
    let (flavour, text) = (script.flavour(), statement.span.of(script.text));
    let place = |span: Span| Place::content(script.name, span.shifted(statement.span.start));
    if let Some((name, span)) = reads_otherwise(text, flavour) {
        let message = format!("behind this setting of {name} texts end elsewhere than where they were judged");
        let help = if flavour.is_mysql() {
            "take it out; if the database has it always, say `sql_mode` in the manifest"
        } else {
            "take it out; write E'...' where backslashes mean something"
        };
        return Some(Finding::new(&TEXT_SETTING, place(span), message).label("changes how text is read").help(help));
    }
    if copies(text, flavour) == Some("STDOUT") {
        let message = "COPY ... TO STDOUT writes to a client, and there is none";
        let span = Span::new(0, text.find(char::is_whitespace).unwrap_or(text.len()));
        return Some(Finding::new(&COPY_TO_CLIENT, place(span), message).help("remove it"));
    }
    if !flavour.is_mysql() || !holds(text, "row_count") || ["CREATE", "ALTER"].contains(&&*head(text, flavour).verb) {
        return None;
    }
    let mut tokens = Lexer::new(text, flavour).filter(|token| token.kind.is_significant()).peekable();
    while let Some(token) = tokens.next() {
        let called = tokens.peek().is_some_and(|next| next.span.of(text) == "(");
        if token.kind == TokenKind::Word && token.span.of(text).eq_ignore_ascii_case("row_count") && called {
            let message = "ROW_COUNT() counts the rows that an UPDATE found, in the client those that it changed";
            return Some(
                Finding::new(&ROW_COUNT, place(token.span), message).help("count with a SELECT before the change"),
            );
        }
    }
    None
}
