//! Tokens of SQL, as the engine's own scanner finds them.
//!
//! Total: every byte of every text belongs to exactly one token, whatever the text holds. Knows quoting and comments
//! of each dialect, and which version comments of MySQL and MariaDB are code for a release. Refuses to know grammar.

use crate::config::Dialect;
use crate::config::flavour::{Flavour, Release};
use crate::text::Span;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// White space.
    Space,
    /// A comment, its marks included; a version comment that is none of this release's business too.
    Comment,
    /// The beginning (`/*!50110`) or end of a version comment whose content is code for this release.
    Mark,
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
        !matches!(self, Self::Space | Self::Comment | Self::Mark)
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
    flavour: Flavour,
    at: usize,
    /// Whether a version comment is open.
    inside: bool,
    /// MySQL: whether a dollar tag was found that nothing closes.
    no_dollars: bool,
}

impl<'t> Lexer<'t> {
    /// Starts at the beginning of a text.
    pub fn new(text: &'t str, flavour: impl Into<Flavour>) -> Self {
        Self { text, flavour: flavour.into(), at: 0, inside: false, no_dollars: false }
    }

    /// Returns where the next token begins.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Moves on to a place, which must be a character boundary at or behind the present one.
    pub fn skip_to(&mut self, place: usize) {
        self.at = place.max(self.at).min(self.text.len());
    }

    fn is(&self, dialect: Dialect) -> bool {
        self.flavour.dialect == dialect
    }

    fn mysql(&self) -> bool {
        self.flavour.is_mysql()
    }

    /// Length of the token at the beginning of `rest`, which is not empty.
    fn measure(&mut self, rest: &str) -> (TokenKind, usize) {
        let bytes = rest.as_bytes();
        let first = bytes[0];
        let second = bytes.get(1).copied().unwrap_or(0);
        let escapes = self.mysql() && !self.flavour.no_backslash_escapes;
        match first {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {
                (TokenKind::Space, run(bytes, |b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)))
            }
            b'-' if second == b'-' && (!self.mysql() || bytes.get(2).is_none_or(|b| *b <= b' ')) => {
                (TokenKind::Comment, line(bytes))
            }
            b'#' if self.mysql() => (TokenKind::Comment, line(bytes)),
            b'/' if second == b'*' => self.block_comment(bytes),
            b'*' if self.inside && second == b'/' => {
                self.inside = false;
                (TokenKind::Mark, 2)
            }
            b'\'' => closed(quoted(bytes, 0, b'\'', escapes), TokenKind::Text, rest),
            b'"' if self.mysql() && !self.flavour.ansi_quotes => {
                closed(quoted(bytes, 0, b'"', escapes), TokenKind::Text, rest)
            }
            b'"' => closed(quoted(bytes, 0, b'"', false), TokenKind::QuotedName, rest),
            b'`' if !self.is(Dialect::Postgres) => closed(quoted(bytes, 0, b'`', false), TokenKind::QuotedName, rest),
            b'n' | b'N' | b'x' | b'X' | b'b' | b'B' if second == b'\'' && self.mysql() => {
                closed(quoted(bytes, 1, b'\'', escapes), TokenKind::Text, rest)
            }
            b'[' if self.is(Dialect::Sqlite) => closed(rest.find(']').map(|end| end + 1), TokenKind::QuotedName, rest),
            b'e' | b'E' if second == b'\'' && self.is(Dialect::Postgres) => {
                closed(quoted(bytes, 1, b'\'', true), TokenKind::Text, rest)
            }
            b'$' if self.is(Dialect::Postgres) => self.dollar(rest),
            b'$' if self.is(Dialect::Mysql) && self.dollar_quotes() => match self.dollar(rest) {
                (TokenKind::Text, length) => (TokenKind::Text, length),
                (TokenKind::Unclosed, _) => {
                    // Looked for once: a name may hold such signs, and a file many of them.
                    self.no_dollars = true;
                    self.plain_dollar(bytes)
                }
                _ => self.plain_dollar(bytes),
            },
            b'0'..=b'9' => self.number(bytes),
            b'.' if second.is_ascii_digit() && self.mysql() && !self.follows_name() => self.number(bytes),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => (TokenKind::Word, word(bytes)),
            b'@' if is_word(second) && self.mysql() => (TokenKind::Word, 1 + variable(&bytes[1..])),
            b'$' | b'@' if is_word(second) && !self.is(Dialect::Postgres) => (TokenKind::Word, 1 + word(&bytes[1..])),
            _ => (TokenKind::Symbol, 1),
        }
    }

    /// MySQL has dollar quotes since 8.4 (measured; 8.0 takes the sign for a letter).
    fn dollar_quotes(&self) -> bool {
        !self.no_dollars && self.flavour.release_or_newest() >= Release::new(8, 4, 0)
    }

    /// A name that begins with `$`, or the sign alone.
    fn plain_dollar(&self, bytes: &[u8]) -> (TokenKind, usize) {
        match bytes.get(1) {
            Some(byte) if is_word(*byte) => (TokenKind::Word, 1 + word(&bytes[1..])),
            _ => (TokenKind::Symbol, 1),
        }
    }

    /// Says whether a name or its quote stands directly before the place, so that a dot there parts names.
    fn follows_name(&self) -> bool {
        self.text.as_bytes()[..self.at].last().is_some_and(|byte| is_word(*byte) || matches!(byte, b'`' | b'"' | b'$'))
    }

    /// MySQL takes digits with letters behind them for a name, such as `2fa`.
    fn number(&self, bytes: &[u8]) -> (TokenKind, usize) {
        let whole = run(bytes, |byte| is_word(byte) || byte == b'.');
        if !self.mysql() {
            return (TokenKind::Number, whole);
        }
        let digits = run(bytes, |byte| byte.is_ascii_digit());
        let radix = match (bytes[0], bytes.get(1)) {
            (b'0', Some(b'x')) => run(&bytes[2..], |byte| byte.is_ascii_hexdigit()),
            (b'0', Some(b'b')) => run(&bytes[2..], |byte| matches!(byte, b'0' | b'1')),
            _ => 0,
        };
        if radix > 0 && !bytes.get(2 + radix).is_some_and(|byte| is_word(*byte)) {
            return (TokenKind::Number, 2 + radix);
        }
        let mut end = digits;
        let dotted = bytes.get(end) == Some(&b'.') && bytes.get(end + 1) != Some(&b'.');
        if dotted {
            end += 1 + run(&bytes[end + 1..], |byte| byte.is_ascii_digit());
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = run(bytes.get(end + 1 + sign..).unwrap_or_default(), |byte| byte.is_ascii_digit());
            if exponent > 0 {
                return (TokenKind::Number, end + 1 + sign + exponent);
            }
        }
        if !dotted && bytes.get(end).is_some_and(|byte| is_word(*byte)) {
            return (TokenKind::Word, word(bytes));
        }
        (TokenKind::Number, end)
    }

    /// The beginning of a version comment that is code for this release, if one stands here.
    ///
    /// MariaDB passes over those of MySQL 5.7 and later, 50700 to 99999 (MariaDB manual, "Comment Syntax").
    fn version_mark(&self, bytes: &[u8]) -> Option<usize> {
        let mariadb = bytes.get(2) == Some(&b'M') && bytes.get(3) == Some(&b'!');
        let lead = if mariadb { 4 } else { 3 };
        if !self.mysql() || self.inside || bytes.get(lead - 1) != Some(&b'!') || (mariadb && self.is(Dialect::Mysql)) {
            return None;
        }
        let digits = run(&bytes[lead..], |byte| byte.is_ascii_digit());
        let digits = if digits < 5 { 0 } else { digits.min(6) };
        let number = std::str::from_utf8(&bytes[lead..lead + digits]).ok()?.parse::<u32>().unwrap_or(0);
        let foreign = self.is(Dialect::Mariadb) && !mariadb && (50_700..=99_999).contains(&number);
        let active = number <= self.flavour.release_or_newest().comment_number() && !foreign;
        active.then_some(lead + digits)
    }

    /// PostgreSQL nests block comments; SQLite takes the end of the text as the end of one.
    fn block_comment(&mut self, bytes: &[u8]) -> (TokenKind, usize) {
        if let Some(length) = self.version_mark(bytes)
            && bytes.windows(2).skip(2).any(|pair| pair == b"*/")
        {
            self.inside = true;
            return (TokenKind::Mark, length);
        }
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
                (b'/', b'*') if self.is(Dialect::Postgres) => {
                    depth += 1;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        let kind = if self.is(Dialect::Sqlite) { TokenKind::Comment } else { TokenKind::Unclosed };
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

/// Returns the token that begins at a byte of a text; empty at the end.
pub fn token_at(text: &str, at: usize, flavour: impl Into<Flavour>) -> Span {
    let at = at.min(text.len());
    let rest = text.get(at..).unwrap_or_default();
    Lexer::new(rest, flavour).next().map_or(Span::new(at, at), |token| token.span.shifted(at))
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

/// Length of the name of a variable or host behind `@`.
fn variable(bytes: &[u8]) -> usize {
    run(bytes, |byte| is_word(byte) || matches!(byte, b'$' | b'.'))
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
