//! Which construct of a statement is newer than the release that a target declares.
//!
//! The parser in use is that of release 18; a target may be older. Knows how the patterns of the edges are matched.
//! Strings, and so bodies, are not looked into.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::sql::lex::{Lexer, TokenKind};
use crate::sql::postgres::edges::EDGES;
use crate::text::Span;

/// A significant token: its kind, place and, for words and symbols, its text in upper case.
struct Word {
    kind: TokenKind,
    span: Span,
    upper: String,
}

/// Longest statement that is searched, in tokens: what is longer holds rows, not constructs.
const LONGEST: usize = 20_000;

/// Finds the first construct that is newer than the declared release: its place and what to say of it.
pub fn newer(text: &str, flavour: Flavour) -> Option<(Span, String)> {
    let declared = flavour.release.filter(|release| release.major < 18)?;
    let words = words(text);
    let newer = EDGES.iter().filter(|(release, ..)| *release > declared.major);
    let found = newer.filter_map(|(release, pattern, name)| Some((find(&words, pattern)?, *release, *name)));
    let (place, release, name) = found.min_by_key(|(place, release, _)| (*place, std::cmp::Reverse(*release)))?;
    let span = words.get(place).map_or(Span::new(0, 1), |word| word.span);
    Some((span, format!("{name}: this needs PostgreSQL {release}; this target says {declared}")))
}

fn words(text: &str) -> Vec<Word> {
    let significant = Lexer::new(text, Dialect::Postgres).filter(|token| token.kind.is_significant());
    let word = |token: crate::sql::lex::Token| {
        let shown = matches!(token.kind, TokenKind::Word | TokenKind::Symbol | TokenKind::Number);
        let upper = if shown { token.span.of(text).to_ascii_uppercase() } else { String::new() };
        Word { kind: token.kind, span: token.span, upper }
    };
    significant.take(LONGEST).map(word).collect()
}

/// Returns the token where a pattern begins that the words hold.
fn find(words: &[Word], pattern: &str) -> Option<usize> {
    let (head, place) = pattern.split_once('@').unwrap_or((pattern, ""));
    let head: Vec<&str> = head.split_whitespace().collect();
    let place: Vec<&str> = place.split_whitespace().collect();
    let behind = follow(words, 0, &head)?;
    if place.is_empty() {
        return Some(0);
    }
    // A token that must not be something may also be missing: the place may be the first one.
    (behind..words.len()).find(|start| follow(words, *start, &place).is_some())
}

/// Follows the elements of a pattern from a token on; returns the token behind them.
fn follow(words: &[Word], at: usize, pattern: &[&str]) -> Option<usize> {
    let Some((element, rest)) = pattern.split_first() else { return Some(at) };
    match *element {
        "..." => {
            let mut depth = 0_usize;
            for place in at..words.len() {
                if let Some(end) = follow(words, place, rest) {
                    return Some(end);
                }
                match words[place].upper.as_str() {
                    "(" => depth += 1,
                    ")" => depth = depth.checked_sub(1)?,
                    _ => {}
                }
            }
            None
        }
        "()" | "(q)" => {
            let end = group(words, at)?;
            let begins = words.get(at + 1).map_or("", |word| word.upper.as_str());
            let query = ["SELECT", "VALUES", "WITH", "TABLE"].contains(&begins);
            if *element == "(q)" && !query { None } else { follow(words, end, rest) }
        }
        _ => {
            if fits(words.get(at), element) {
                follow(words, at + 1, rest)
            } else {
                None
            }
        }
    }
}

fn fits(word: Option<&Word>, element: &str) -> bool {
    let Some(word) = word else { return element.split('|').any(|one| one == "$") || element.starts_with('~') };
    match element {
        "_" => true,
        "#" => {
            let number = word.upper.as_str();
            let radix = ["0X", "0O", "0B"].iter().any(|radix| number.starts_with(radix));
            word.kind == TokenKind::Number && (radix || number.contains('_'))
        }
        _ => match element.strip_prefix('~') {
            Some(others) => others.split('|').all(|other| other != word.upper),
            None => element.split('|').any(|one| one == word.upper),
        },
    }
}

/// Returns the token behind a group in parentheses.
fn group(words: &[Word], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, word) in words.iter().enumerate().skip(at) {
        match word.upper.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return (place > at).then_some(place + 1);
        }
    }
    None
}
