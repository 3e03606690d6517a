//! Whether one statement is well formed.
//!
//! Guards come first, so that no parser sees what could exhaust it; then the certain lexical mistakes, then the
//! parser, then the list of what the parser is known not to know. Refuses to know files and findings.

use crate::config::Dialect;
use crate::sql::lex::{Lexer, TokenKind};
use crate::sql::split::Statement;
use crate::sql::{facts, gaps, parse};
use crate::text::Span;

/// Deepest nesting of parentheses that is judged.
pub const DEEPEST: usize = 1_000;
/// Longest statement that the grammar is asked about, in bytes; of a longer one only the tokens are judged.
pub const LONGEST: usize = 1 << 20;

/// The answer. Spans count in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Well formed.
    Accepted,
    /// Certainly or very probably not what the engine accepts.
    Rejected {
        /// The token.
        span: Span,
        /// What is wrong with it.
        message: String,
        /// The remedy, where one is known.
        help: Option<String>,
    },
    /// Not decided: too long, or a construct that the parser is known not to know.
    Unknown {
        /// The token where the parser gave up.
        span: Span,
        /// Why.
        why: String,
    },
    /// Nested too deeply to be judged at all.
    TooDeep {
        /// The statement.
        span: Span,
    },
}

/// Judges one statement of `file`.
pub fn judge(file: &str, statement: &Statement, dialect: Dialect) -> Verdict {
    let text = statement.span.of(file);
    if let Some(rejected) = unclosed(file, statement) {
        return rejected;
    }
    if statement.depth > DEEPEST {
        return Verdict::TooDeep { span: statement.span };
    }
    if let Some(rejected) = lexical(statement.span, text, dialect) {
        return rejected;
    }
    if text.len() > LONGEST {
        let why = format!("the statement is longer than {} KiB; only its tokens were judged", LONGEST >> 10);
        return Verdict::Unknown { span: first_token(statement.span, text, dialect), why };
    }
    match parse::parse_one(text, dialect) {
        Ok(()) => Verdict::Accepted,
        Err(error) => {
            let span = error.span.shifted(statement.span.start);
            match gaps::known_gap(text, dialect, error.span.start) {
                Some(_) => Verdict::Unknown { span, why: error.message },
                None => Verdict::Rejected { span, message: error.message, help: None },
            }
        }
    }
}

fn first_token(place: Span, text: &str, dialect: Dialect) -> Span {
    Lexer::new(text, dialect).next().map_or(place, |token| token.span.shifted(place.start))
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

/// Mistakes that no dialect accepts, found in the tokens alone.
fn lexical(place: Span, text: &str, dialect: Dialect) -> Option<Verdict> {
    let mut open: Vec<Span> = Vec::new();
    let mut comma: Option<Span> = None;
    let mut first = true;
    let reject = |span: Span, message: String, help: Option<String>| {
        Some(Verdict::Rejected { span: span.shifted(place.start), message, help })
    };
    for token in Lexer::new(text, dialect).filter(|token| token.kind.is_significant()) {
        let word = token.span.of(text);
        if std::mem::take(&mut first)
            && token.kind == TokenKind::Word
            && let Some((message, help)) = unknown_first_word(word)
        {
            return reject(token.span, message, help);
        }
        match (token.kind, word) {
            (TokenKind::Symbol, "(") => open.push(token.span),
            (TokenKind::Symbol, ")") => {
                if let Some(comma) = comma {
                    return reject(comma, "a comma stands before `)`".to_owned(), Some("remove the comma".to_owned()));
                }
                if open.pop().is_none() {
                    let message = "this `)` was never opened".to_owned();
                    return reject(token.span, message, Some("remove it, or add the missing `(`".to_owned()));
                }
            }
            (TokenKind::Word, word) if word.starts_with(['\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}']) => {
                let message = "a typographic quote is not a quote of SQL".to_owned();
                let mark = Span::new(token.span.start, token.span.start + 3);
                return reject(mark, message, Some("write ' for text and \" for names".to_owned()));
            }
            _ => {}
        }
        comma = (token.kind == TokenKind::Symbol && word == ",").then_some(token.span);
    }
    open.last().and_then(|span| {
        let help = "add the missing `)`, or a missing `;` before the next statement".to_owned();
        reject(*span, "this `(` is never closed in its statement".to_owned(), Some(help))
    })
}

fn unknown_first_word(word: &str) -> Option<(String, Option<String>)> {
    let upper = word.to_ascii_uppercase();
    let known = [
        "IF",
        "WHILE",
        "LOOP",
        "REPEAT",
        "KILL",
        "PURGE",
        "CHANGE",
        "INSTALL",
        "UNINSTALL",
        "HANDLER",
        "XA",
        "HELP",
        "CACHE",
        "SHUTDOWN",
        "STOP",
        "BINLOG",
        "CLONE",
        "RESIGNAL",
        "GET",
        "RETURN",
        "ITERATE",
        "LEAVE",
        "RESTART",
        "FROM",
        "BACKUP",
    ];
    if facts::first_words().any(|first| first == upper) || known.contains(&upper.as_str()) {
        return None;
    }
    let near = crate::text::did_you_mean(&upper, facts::first_words());
    let shown: String = word.chars().take(40).collect();
    let message = format!("no statement begins with `{}`", crate::text::sanitize(&shown));
    Some((message, near.map(|near| format!("did you mean {near}?"))))
}
