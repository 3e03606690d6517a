//! Tokens of SQL, as the engine's own scanner finds them.
//!
//! Total: every byte of every text belongs to exactly one token, whatever the text holds. Knows quoting and comments
//! of each dialect. Refuses to know grammar.

use crate::config::Dialect;
use crate::text::Span;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// White space.
    Space,
    /// A comment, its marks included. Version comments of MySQL are comments here.
    Comment,
    /// A keyword or plain name.
    Word,
    /// A quoted name.
    QuotedName,
    /// A string, dollar quotes included.
    Text,
    /// A number.
    Number,
    /// One other character.
    Symbol,
    /// A quote, dollar tag or comment that is never closed; reaches to the end of the text.
    Unclosed,
}

impl TokenKind {
    /// Says whether the token means something to the engine.
    pub fn is_significant(self) -> bool {
        !matches!(self, Self::Space | Self::Comment)
    }
}

/// A token with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it is.
    pub span: Span,
}

/// Reads one token after the other.
#[derive(Debug, Clone)]
pub struct Lexer<'t> {
    text: &'t str,
    dialect: Dialect,
    at: usize,
}

impl<'t> Lexer<'t> {
    /// Starts at the beginning of a text.
    pub fn new(text: &'t str, dialect: Dialect) -> Self {
        Self { text, dialect, at: 0 }
    }

    /// Returns where the next token begins.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Moves on to a place, which must be a character boundary at or behind the present one.
    pub fn skip_to(&mut self, place: usize) {
        self.at = place.max(self.at).min(self.text.len());
    }

    fn mysql(&self) -> bool {
        matches!(self.dialect, Dialect::Mysql | Dialect::Mariadb)
    }

    /// Length of the token at the beginning of `rest`, which is not empty.
    fn measure(&self, rest: &str) -> (TokenKind, usize) {
        let bytes = rest.as_bytes();
        let first = bytes[0];
        let second = bytes.get(1).copied().unwrap_or(0);
        match first {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {
                (TokenKind::Space, run(bytes, |b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)))
            }
            b'-' if second == b'-' && (!self.mysql() || bytes.get(2).is_none_or(|b| *b <= b' ')) => {
                (TokenKind::Comment, line(bytes))
            }
            b'#' if self.mysql() => (TokenKind::Comment, line(bytes)),
            b'/' if second == b'*' => self.block_comment(bytes),
            b'\'' => closed(quoted(bytes, 0, b'\'', self.mysql()), TokenKind::Text, rest),
            b'"' if self.mysql() => closed(quoted(bytes, 0, b'"', true), TokenKind::Text, rest),
            b'"' => closed(quoted(bytes, 0, b'"', false), TokenKind::QuotedName, rest),
            b'`' if self.dialect != Dialect::Postgres => {
                closed(quoted(bytes, 0, b'`', false), TokenKind::QuotedName, rest)
            }
            b'[' if self.dialect == Dialect::Sqlite => {
                closed(rest.find(']').map(|end| end + 1), TokenKind::QuotedName, rest)
            }
            b'e' | b'E' if second == b'\'' && self.dialect == Dialect::Postgres => {
                closed(quoted(bytes, 1, b'\'', true), TokenKind::Text, rest)
            }
            b'$' if self.dialect == Dialect::Postgres => self.dollar(rest),
            b'0'..=b'9' => (TokenKind::Number, number(bytes)),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => (TokenKind::Word, word(bytes)),
            b'$' | b'@' if is_word(second) && self.dialect != Dialect::Postgres => {
                (TokenKind::Word, 1 + word(&bytes[1..]))
            }
            _ => (TokenKind::Symbol, 1),
        }
    }

    /// PostgreSQL nests block comments; SQLite takes the end of the text as the end of one.
    fn block_comment(&self, bytes: &[u8]) -> (TokenKind, usize) {
        let mut depth = 1;
        let mut at = 2;
        while at + 1 < bytes.len() {
            match (bytes[at], bytes[at + 1]) {
                (b'*', b'/') => {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        return (TokenKind::Comment, at);
                    }
                }
                (b'/', b'*') if self.dialect == Dialect::Postgres => {
                    depth += 1;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        let kind = if self.dialect == Dialect::Sqlite { TokenKind::Comment } else { TokenKind::Unclosed };
        (kind, bytes.len())
    }

    fn dollar(&self, rest: &str) -> (TokenKind, usize) {
        let tag = rest[1..].bytes().take_while(|byte| is_word(*byte)).count();
        let starts_with_digit = rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        if rest.as_bytes().get(1 + tag) != Some(&b'$') || starts_with_digit {
            return (TokenKind::Symbol, 1);
        }
        let quote = &rest[..tag + 2];
        closed(rest[quote.len()..].find(quote).map(|end| end + 2 * quote.len()), TokenKind::Text, rest)
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let (kind, length) = self.measure(rest);
        let span = Span::new(self.at, self.at + length);
        self.at += length;
        Some(Token { kind, span })
    }
}

fn run(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| wanted(**byte)).count()
}

/// Length of a comment that ends with its line; the line feed is left.
fn line(bytes: &[u8]) -> usize {
    run(bytes, |byte| byte != b'\n')
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn word(bytes: &[u8]) -> usize {
    run(bytes, |byte| is_word(byte) || byte == b'$')
}

fn number(bytes: &[u8]) -> usize {
    run(bytes, |byte| is_word(byte) || byte == b'.')
}

/// Length of a quoted text that opens at `open`; a doubled quote stays inside, and so does an escaped one.
fn quoted(bytes: &[u8], open: usize, quote: u8, backslash: bool) -> Option<usize> {
    let mut at = open + 1;
    while at < bytes.len() {
        if bytes[at] == b'\\' && backslash {
            at += 2;
        } else if bytes[at] != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
    None
}

fn closed(length: Option<usize>, kind: TokenKind, rest: &str) -> (TokenKind, usize) {
    length.map_or((TokenKind::Unclosed, rest.len()), |length| (kind, length))
}
