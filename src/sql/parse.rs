//! Facts about a statement, from the tree of `sqlparser`; the only file that names it.
//!
//! Knows how to ask for exactly one statement and how to reduce its tree to our words. Refuses to give verdicts: what it
//! does not understand may be valid all the same. Refuses whole scripts: `sqlparser` drops everything behind a stray END
//! without a word.

use std::sync::LazyLock;

use regex::Regex;
use sqlparser::ast::Statement as SqlStatement;
use sqlparser::dialect::{Dialect as ParserDialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use crate::config::Dialect;
use crate::text::Span;

/// Why a statement was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The token, in bytes of the statement.
    pub span: Span,
    /// What was expected, in the parser's words.
    pub message: String,
}

/// What a statement does, as far as rules ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// It changes or deletes every row of a table.
    pub all_rows: Option<AllRows>,
}

/// How every row is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllRows {
    /// DELETE without WHERE.
    Delete,
    /// UPDATE without WHERE.
    Update,
}

/// Nesting that the parser follows before it gives up.
const RECURSION: usize = 2_000;

/// Reads the facts of one statement, which must be all of `text`.
///
/// # Errors
/// The first token that the parser does not understand.
pub fn facts(text: &str, dialect: Dialect) -> Result<Facts, ParseError> {
    let flavour: &dyn ParserDialect = match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Mysql | Dialect::Mariadb => &MySqlDialect {},
        Dialect::Sqlite => &SQLiteDialect {},
    };
    let parser = Parser::new(flavour).with_recursion_limit(RECURSION);
    let mut parser = parser.try_with_sql(text).map_err(|error| placed(text, &error.to_string()))?;
    let tree = parser.parse_statement().map_err(|error| placed(text, &error.to_string()))?;
    let next = parser.peek_token();
    if next.token == Token::EOF {
        return Ok(reduced(&tree));
    }
    let start = offset(text, next.span.start.line, next.span.start.column);
    let shown = crate::text::sanitize(&next.token.to_string()).into_owned();
    Err(ParseError {
        span: token_at(text, start),
        message: format!("`{shown}` follows where the statement should end"),
    })
}

fn reduced(tree: &SqlStatement) -> Facts {
    let all_rows = match tree {
        SqlStatement::Delete(delete)
            if delete.selection.is_none() && delete.limit.is_none() && delete.using.is_none() =>
        {
            Some(AllRows::Delete)
        }
        SqlStatement::Update(update)
            if update.selection.is_none() && update.limit.is_none() && update.from.is_none() =>
        {
            Some(AllRows::Update)
        }
        _ => None,
    };
    Facts { all_rows }
}

/// Reads the place out of the parser's message, which is the only place where it is.
fn placed(text: &str, message: &str) -> ParseError {
    static PLACE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r",? at Line: (\d+), Column:? (\d+)\.?$").expect("a constant pattern"));
    let message = message.trim_start_matches("sql parser error: ");
    let place = PLACE.captures(message).and_then(|found| {
        let number = |group| found.get(group)?.as_str().parse::<u64>().ok();
        Some((number(1)?, number(2)?, found.get(0)?.start()))
    });
    match place {
        Some((line, column, end)) if line > 0 => {
            let start = offset(text, line, column);
            ParseError { span: token_at(text, start), message: tidy(&message[..end]) }
        }
        _ => {
            let end = text.trim_end().len();
            let start = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
            ParseError { span: Span::new(start, end), message: tidy(message) }
        }
    }
}

/// Turns `Expected: X, found: Y` into the words that all findings use.
fn tidy(message: &str) -> String {
    let shortened: String = message.chars().take(300).collect();
    let message = crate::text::sanitize(&shortened);
    if message.contains("recursion limit") {
        return format!("it is nested more than {RECURSION} levels deep");
    }
    match message.split_once(", found: ") {
        Some((expected, found)) => {
            let expected = expected.trim_start_matches("Expected: ");
            let found = if found == "EOF" { "the end of the statement".to_owned() } else { format!("`{found}`") };
            format!("expected {expected}, found {found}")
        }
        None => message.into_owned(),
    }
}

/// Converts the parser's line and column (characters, from 1) into a byte offset.
fn offset(text: &str, line: u64, column: u64) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(newline) => start += newline + 1,
            None => return text.len(),
        }
    }
    let characters = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    text[start..].char_indices().nth(characters).map_or(text.len(), |(at, _)| start + at)
}

/// The token that begins at a place: a word, or one character.
fn token_at(text: &str, start: usize) -> Span {
    let rest = &text[start.min(text.len())..];
    let word = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80).count();
    let length = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
    if length == 0 {
        let end = text.trim_end().len();
        let last = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
        return Span::new(last, end);
    }
    Span::new(start, start + length)
}
