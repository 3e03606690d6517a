//! Bodies: PL/pgSQL of functions, procedures and `DO`, and SQL in strings.
//!
//! The compiler names the token that it stumbled over and its line, not the character. The character is found by
//! asking again: of all places where that token stands, the last one whose replacement changes the answer is it.

use crate::config::Dialect;
use crate::sql::lex::{Lexer, Token, TokenKind, token_at};
use crate::sql::postgres::native::{self, Complaint};
use crate::sql::verdict::Verdict;
use crate::text::Span;

/// Longest statement whose PL/pgSQL is compiled, in bytes.
const LONGEST: usize = 1 << 20;
/// Longest statement that is compiled again and again to find a place, in bytes; in a longer one the line is shown.
const SHORT: usize = 64 << 10;
/// Places of one token that are tried at most.
const MOST_PLACES: usize = 200;

/// A body as text of the statement.
struct Body {
    /// The whole string, its quotes included.
    string: Span,
    /// Length of the opening quote.
    quote: usize,
    /// Whether quotes in it are doubled.
    doubled: bool,
}

/// Judges the bodies of a statement that is well formed itself; `None` where there is nothing against them.
pub(super) fn judge(text: &str) -> Option<Verdict> {
    let tokens = head(text)?;
    let language = language(text, &tokens);
    let body = body(text, &tokens)?;
    match language.as_str() {
        "plpgsql" => {
            if text.len() > LONGEST {
                let why = format!("its body is longer than {} KiB", LONGEST >> 10);
                return Some(Verdict::Unknown { span: token_at(text, 0, Dialect::Postgres), why });
            }
            let complaint = native::compile(text).err()?;
            let span = place(text, &body, &complaint);
            // Where the library needs a catalogue that only a server has.
            if complaint.message.starts_with("Not implemented") {
                return Some(Verdict::Unknown { span, why: complaint.message });
            }
            Some(Verdict::Rejected { span, message: complaint.message, help: None })
        }
        "sql" => sql(text, &body),
        _ => None,
    }
}

/// The significant tokens, if the statement is of a kind that has a body.
fn head(text: &str) -> Option<Vec<Token>> {
    let significant = || Lexer::new(text, Dialect::Postgres).filter(|token| token.kind.is_significant());
    let words: Vec<String> = significant().take(4).map(|token| token.span.of(text).to_ascii_uppercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let routine = |word: &&str| matches!(*word, "FUNCTION" | "PROCEDURE");
    let has_body = match words.as_slice() {
        ["DO", ..] => true,
        ["CREATE", "OR", "REPLACE", kind] => routine(kind),
        ["CREATE", kind, ..] => routine(kind),
        _ => false,
    };
    has_body.then(|| significant().collect())
}

/// The language in lower case: `plpgsql` for a `DO` that names none.
fn language(text: &str, tokens: &[Token]) -> String {
    let word = |token: &Token| token.span.of(text).to_ascii_lowercase();
    let named = tokens.windows(2).find(|pair| pair[0].kind == TokenKind::Word && word(&pair[0]) == "language");
    let does = tokens.first().is_some_and(|first| word(first) == "do");
    match named {
        Some(pair) => word(&pair[1]).trim_matches(['\'', '"']).to_owned(),
        None if does => "plpgsql".to_owned(),
        None => "sql".to_owned(),
    }
}

/// The string behind AS, or that of a `DO`.
fn body(text: &str, tokens: &[Token]) -> Option<Body> {
    let does = tokens.first().is_some_and(|first| first.span.of(text).eq_ignore_ascii_case("do"));
    let follows = |pair: &&[Token]| {
        let before = pair[0].span.of(text);
        pair[1].kind == TokenKind::Text
            && (before.eq_ignore_ascii_case("as") || does && !before.eq_ignore_ascii_case("language"))
    };
    let string = tokens.windows(2).find(follows)?[1].span;
    let written = string.of(text);
    if let Some(rest) = written.strip_prefix('$') {
        let quote = rest.find('$')? + 2;
        return Some(Body { string, quote, doubled: false });
    }
    // With escapes (E'...') the text that the server reads differs from the text that is written.
    written.starts_with('\'').then_some(Body { string, quote: 1, doubled: true })
}

impl Body {
    /// What the server reads as the body.
    fn content(&self, text: &str) -> String {
        let written = self.string.of(text);
        let inner = &written[self.quote..written.len().saturating_sub(self.quote).max(self.quote)];
        if self.doubled { inner.replace("''", "'") } else { inner.to_owned() }
    }

    /// The byte of the statement where a byte of the content stands.
    fn byte_in(&self, text: &str, content_byte: usize) -> usize {
        let start = self.string.start + self.quote;
        if !self.doubled {
            return start + content_byte;
        }
        let (mut read, mut at) = (0, start);
        let bytes = text.as_bytes();
        while read < content_byte && at < self.string.end {
            at += if bytes[at] == b'\'' { 2 } else { 1 };
            read += 1;
        }
        at
    }
}

/// Judges an SQL body by the parser itself.
fn sql(text: &str, body: &Body) -> Option<Verdict> {
    let content = body.content(text);
    let complaint = native::parse(&content).err()?;
    let at = complaint.character.map_or(content.len(), |character| super::byte_of(&content, character));
    let token = token_at(&content, at, Dialect::Postgres);
    let span = Span::new(body.byte_in(text, token.start), body.byte_in(text, token.end));
    let span = if span.start == span.end { closing(body) } else { span };
    Some(Verdict::Rejected { span, message: complaint.message, help: None })
}

/// The closing quote: where the end of a body is shown.
fn closing(body: &Body) -> Span {
    Span::new(body.string.end - body.quote, body.string.end)
}

/// Finds the token that the compiler complains about.
fn place(text: &str, body: &Body, complaint: &Complaint) -> Span {
    if let Some(character) = complaint.character {
        return token_at(text, super::byte_of(text, character), Dialect::Postgres);
    }
    if complaint.message.ends_with("at end of input") && complaint.message.starts_with("unexpected end") {
        return closing(body);
    }
    let named = complaint.message.split('"').nth(1).filter(|named| !named.is_empty());
    let found =
        named.filter(|_| text.len() < SHORT).and_then(|named| last_that_matters(text, body, named, &complaint.message));
    found.or_else(|| line(text, body, &complaint.context)).unwrap_or_else(|| closing(body))
}

/// The last place of a token in the body whose replacement changes the compiler's answer.
fn last_that_matters(text: &str, body: &Body, named: &str, message: &str) -> Option<Span> {
    let inner = Span::new(body.string.start + body.quote, body.string.end - body.quote);
    let mut places: Vec<Span> = inner
        .of(text)
        .match_indices(named)
        .map(|(at, found)| Span::new(at, at + found.len()).shifted(inner.start))
        .collect();
    places.reverse();
    places.truncate(MOST_PLACES);
    let changes = |span: &Span| {
        let other = format!("{} schemagate_other {}", &text[..span.start], &text[span.end..]);
        native::compile(&other).err().is_none_or(|complaint| complaint.message != message)
    };
    match places.as_slice() {
        [only] => Some(*only),
        _ => places.into_iter().find(changes),
    }
}

/// The text of the line that the compiler names; lines count from the opening quote.
fn line(text: &str, body: &Body, context: &str) -> Option<Span> {
    let number: usize = context.rsplit(' ').next()?.parse().ok()?;
    let start = body.string.start + body.quote;
    let inner = &text[start..body.string.end - body.quote];
    let mut at = 0;
    for (index, line) in inner.split('\n').enumerate() {
        if index + 1 == number {
            let lead = line.len() - line.trim_start().len();
            let length = line.trim().len();
            return (length > 0).then(|| Span::new(start + at + lead, start + at + lead + length));
        }
        at += line.len() + 1;
    }
    None
}
