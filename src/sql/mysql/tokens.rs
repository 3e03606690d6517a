//! The tokens of one statement, as the grammar asks for them.

use crate::config::Dialect;
use crate::config::flavour::{Flavour, Release};
use crate::sql::lex::{Lexer, TokenKind};
use crate::sql::mysql::words::{self, Kind, Words};
use crate::text::Span;

/// A token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    start: u32,
    end: u32,
}

impl Token {
    /// Where it is.
    pub(super) fn span(&self) -> Span {
        Span::new(self.start as usize, self.end as usize)
    }
}

/// Reads the tokens of a statement; the last one is the end. `None` where the statement is too long for that.
pub(super) fn tokens(text: &str, flavour: Flavour, words: &Words) -> Option<Vec<Token>> {
    let end = u32::try_from(text.len()).ok()?;
    let bytes = text.as_bytes();
    let mut tokens: Vec<Token> = Vec::with_capacity(text.len() / 6 + 2);
    let mut lexer = Lexer::new(text, flavour);
    while let Some(token) = lexer.next() {
        let (start, mut stop) = (token.span.start, token.span.end);
        let kind = match token.kind {
            TokenKind::Space | TokenKind::Comment | TokenKind::Mark => continue,
            TokenKind::Word if bytes[start] == b'@' => variable(bytes, start, stop, flavour, words),
            TokenKind::QuotedName if names_variable(&tokens, bytes, start) => continue,
            TokenKind::Word => word(bytes, start, stop, words, flavour.release, tokens.last()),
            TokenKind::QuotedName => words::QUOTED,
            TokenKind::Text => string(&bytes[start..stop]),
            TokenKind::Number => number(&bytes[start..stop]),
            TokenKind::Unclosed => words::STRANGE,
            TokenKind::Symbol if bytes[start..].starts_with(b"\\N") && flavour.dialect == Dialect::Mariadb => {
                stop = start + 2;
                lexer.skip_to(stop);
                words.kind_of(b"NULL", false)
            }
            TokenKind::Symbol => match words::symbol_at(&bytes[start..]) {
                Some((kind, length)) => {
                    stop = start + length;
                    lexer.skip_to(stop);
                    kind
                }
                None => words::STRANGE,
            },
        };
        tokens.push(Token { kind, start: u32::try_from(start).ok()?, end: u32::try_from(stop).ok()? });
    }
    tokens.push(Token { kind: words::END, start: end, end });
    Some(tokens)
}

/// Behind a dot every word is a name, and before one that a name follows (`MY_LEX_IDENT_SEP` of the servers).
fn word(
    bytes: &[u8],
    start: usize,
    stop: usize,
    words: &Words,
    release: Option<Release>,
    before: Option<&Token>,
) -> Kind {
    let names = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..))
    };
    if before.is_some_and(|before| before.end as usize == start && bytes[start - 1] == b'.')
        || bytes.get(stop) == Some(&b'.') && names(bytes.get(stop + 1))
    {
        return words::NAME;
    }
    let word = &bytes[start..stop];
    if word[0] == b'_' && words::CHARACTER_SETS.iter().any(|set| word[1..].eq_ignore_ascii_case(set.as_bytes())) {
        return words::CHARSET;
    }
    words.kind_in(word, bytes.get(stop) == Some(&b'('), release)
}

/// `@name`; behind another `@` it is a system variable, and a scope needs a name behind it.
fn variable(bytes: &[u8], start: usize, stop: usize, flavour: Flavour, words: &Words) -> Kind {
    let name = &bytes[start + 1..stop];
    let system = start > 0 && bytes[start - 1] == b'@';
    let scope = |scope: &&str| name.eq_ignore_ascii_case(scope.as_bytes());
    let alone = ["global", "session", "local"].iter().any(scope);
    let unfinished = name.ends_with(b".") && bytes.get(stop) != Some(&b'`');
    let foreign = flavour.dialect == Dialect::Mariadb && name.len() > 7 && name[..7].eq_ignore_ascii_case(b"persist");
    let reserved = || words.is_reserved(name, flavour.release);
    if system && (alone || unfinished || foreign || reserved()) { words::STRANGE } else { words::VARIABLE }
}

/// Says whether a quoted name belongs to the system variable before it: of `@@global` with a dot and quotes.
fn names_variable(tokens: &[Token], bytes: &[u8], start: usize) -> bool {
    let last = tokens.last().filter(|last| last.kind == words::VARIABLE && last.end as usize == start);
    last.is_some() && bytes[start - 1] == b'.'
}

/// `x'..'` holds pairs of hexadecimal digits, `b'..'` binary ones.
fn string(text: &[u8]) -> Kind {
    let inner = text.get(2..text.len() - 1).unwrap_or_default();
    let fits = match text[0] {
        b'x' | b'X' => inner.len() % 2 == 0 && inner.iter().all(u8::is_ascii_hexdigit),
        b'b' | b'B' => inner.iter().all(|byte| matches!(byte, b'0' | b'1')),
        _ => true,
    };
    match (fits, text[0]) {
        (false, _) => words::STRANGE,
        (true, b'x' | b'X' | b'b' | b'B') => words::HEX,
        _ => words::TEXT,
    }
}

fn number(text: &[u8]) -> Kind {
    match text {
        [b'0', b'x' | b'b', ..] => words::HEX,
        _ if text.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => words::DECIMAL,
        _ => words::WHOLE,
    }
}
