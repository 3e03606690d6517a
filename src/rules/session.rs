//! Rules about what a session would do otherwise than the file was judged, or than the engine's own client.
//!
//! The rules about settings that stay behind a file are with the review: see [`crate::rules::running`]. Refuses to know
//! what a server has set by itself; who runs a file asks that.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::finding::{Finding, Place, Rule, Severity};
use crate::rules::{Family, Looks, Script, Tally};
use crate::sql::copy::copies;
use crate::sql::directives::directives;
use crate::sql::facts::head;
use crate::sql::foreign_keys::foreign_keys;
use crate::sql::lex::{Lexer, TokenKind};
use crate::sql::settings::reads_otherwise;
use crate::sql::split::Statement;
use crate::text::{Span, holds, holds_any};

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
    summary: "ROW_COUNT() and FOUND_ROWS() are not what they are in the client.",
    explanation: "Between two statements of a file the program asks the server questions of its own, and it counts the rows that \
                  an UPDATE found, where the client of MySQL and MariaDB counts those that it changed: the library with which \
                  migrations are sent asks for that. So does `ROW_COUNT` of GET DIAGNOSTICS. Count with a SELECT before the \
                  change.",
};

/// Rows for a client.
pub static COPY_TO_CLIENT: Rule = Rule {
    name: "copy-to-client",
    severity: Severity::Error,
    configurable: false,
    summary: "COPY ... TO STDOUT writes to a client, and there is none.",
    explanation: "A migration changes the database; what it would print goes nowhere. The file would not be run.",
};

/// A file of a client.
pub static CLIENT_FILE: Rule = Rule {
    name: "client-file",
    severity: Severity::Error,
    configurable: false,
    summary: "LOAD DATA LOCAL reads a file of a client, and there is none.",
    explanation: "What it would read is not in the repository, so nobody could say what ran. Write the rows as INSERT.",
};

/// Gives the lock away.
pub static LOCK_GIVEN_AWAY: Rule = Rule {
    name: "lock-given-away",
    severity: Severity::Error,
    configurable: false,
    summary: "All named locks of the session are released.",
    explanation: "`RELEASE_ALL_LOCKS()` and `pg_advisory_unlock_all()` release the lock too under which the file is run, and \
                  the run stops before its next statement. Release those that the file has taken, by their names.",
};

/// Does nothing.
pub static PRAGMA_IN_VAIN: Rule = Rule {
    name: "pragma-in-vain",
    severity: Severity::Error,
    configurable: false,
    summary: "PRAGMA foreign_keys or encoding stands where it does nothing.",
    explanation: "A file of SQLite runs in a transaction, and inside of one the pragma does nothing. At the head of the file, \
                  before any other statement, it holds for the whole file.",
};

/// Functions that release every lock of a session.
const RELEASE_ALL: [&str; 2] = ["release_all_locks", "pg_advisory_unlock_all"];

/// The family.
pub const FAMILY: Family = Family {
    rules: &[&TEXT_SETTING, &ROW_COUNT, &COPY_TO_CLIENT, &CLIENT_FILE, &LOCK_GIVEN_AWAY, &PRAGMA_IN_VAIN],
    looks: Looks::AtScript(look),
};

fn look(script: &Script<'_>, _tally: &mut Tally) -> Vec<Finding> {
    if script.bench.is_none() {
        return Vec::new();
    }
    let statements = script.statements.iter().filter(|statement| !statement.client && !statement.copied);
    statements.filter_map(|statement| found(script, statement)).chain(in_vain(script)).collect()
}

fn in_vain(script: &Script<'_>) -> Option<Finding> {
    if script.flavour().dialect != Dialect::Sqlite || directives(script.text, script.flavour()).0.no_transaction {
        return None;
    }
    let number = foreign_keys(script.statements.iter().map(|statement| statement.span.of(script.text))).in_vain?;
    let message = "inside of the transaction in which the file is run this does nothing";
    Some(
        Finding::new(&PRAGMA_IN_VAIN, Place::content(script.name, script.statements[number].span), message)
            .help("put it at the head of the file, before any other statement"),
    )
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
    let head = head(text, flavour);
    if flavour.dialect == Dialect::Sqlite
        && matches!(&*head.words, [pragma, name, sign, ..] if pragma == "PRAGMA" && name == "ENCODING" && (sign == "=" || sign == "("))
    {
        let message = "the encoding of a database is fixed once it has a table, and the history is made first";
        return Some(
            Finding::new(&PRAGMA_IN_VAIN, place(head.verb_span), message).help("create the database file with it"),
        );
    }
    if flavour.is_mysql() && head.verb == "LOAD" && head.words.iter().take(4).any(|word| word == "LOCAL") {
        let message = "LOAD DATA LOCAL reads a file of a client, and there is none";
        return Some(Finding::new(&CLIENT_FILE, place(head.verb_span), message).help("write the rows as INSERT"));
    }
    // What a routine calls it calls for others.
    if ["CREATE", "ALTER"].contains(&&*head.verb) {
        return None;
    }
    let counts = || match &*head.verb {
        "GET" => Some(head.verb_span).filter(|_| holds(text, "row_count")),
        _ => call(text, flavour, &["row_count", "found_rows"]),
    };
    if let Some(span) = counts().filter(|_| flavour.is_mysql()) {
        let message = "what counts rows of the statement before counts others here than in the client";
        return Some(Finding::new(&ROW_COUNT, place(span), message).help("count with a SELECT before the change"));
    }
    let span = call(text, flavour, &RELEASE_ALL).filter(|_| flavour.dialect != Dialect::Sqlite)?;
    let message = format!("{}() would release the lock under which the file is run", span.of(text));
    Some(Finding::new(&LOCK_GIVEN_AWAY, place(span), message).help("release the locks of the file by their names"))
}

/// Where one of these functions is called.
fn call(text: &str, flavour: Flavour, names: &[&str]) -> Option<Span> {
    if !holds_any(text, names, false) {
        return None;
    }
    let mut tokens = Lexer::new(text, flavour).filter(|token| token.kind.is_significant()).peekable();
    while let Some(token) = tokens.next() {
        let called = tokens.peek().is_some_and(|next| next.span.of(text) == "(");
        let is = |name: &&&str| token.span.of(text).eq_ignore_ascii_case(name);
        if token.kind == TokenKind::Word && called && names.iter().find(is).is_some() {
            return Some(token.span);
        }
    }
    None
}
