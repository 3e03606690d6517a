//! Which construct of a statement is newer than the release that a target declares.
//!
//! The parser in use is that of release 18; a target may be older. Knows how the patterns of the edges are matched: each
//! word that they hold has a number, and an edge of which a statement lacks a word is not looked for. Strings, and so
//! bodies, are not looked into.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::sql::lex::{Lexer, TokenKind};
use crate::sql::postgres::edges::EDGES;
use crate::text::Span;

/// The number of a word of the patterns; 0 is every other.
type Number = u16;

/// A significant token.
struct Word {
    span: Span,
    number: Number,
    /// Whether it is a number with a radix or underscores.
    spelt: bool,
}

/// Longest statement that is searched, in tokens: what is longer holds rows, not constructs.
const LONGEST: usize = 20_000;

/// One element of a pattern, see `edges.rs`.
enum Element {
    Anything,
    Group,
    Query,
    Any,
    Spelt,
    Not(Vec<Number>),
    /// One of these, or the end.
    One(Vec<Number>, bool),
}

/// An edge as it is looked for.
struct Edge {
    release: u16,
    name: &'static str,
    head: Vec<Element>,
    place: Vec<Element>,
}

/// The edges, and the numbers of the words in them.
struct Table {
    numbers: HashMap<&'static str, Number>,
    /// By the first byte of a word: its lengths, a bit each, so that most words are not looked for.
    lengths: [u64; 128],
    edges: Vec<Edge>,
}

/// Words that patterns speak of without writing them.
const FIXED: [&str; 6] = ["(", ")", "SELECT", "VALUES", "WITH", "TABLE"];
const OPEN: Number = 1;
const CLOSE: Number = 2;
const QUERIES: std::ops::RangeInclusive<Number> = 3..=6;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut numbers = HashMap::new();
    let number = |numbers: &mut HashMap<_, _>, word: &'static str| -> Number {
        let next = Number::try_from(numbers.len() + 1).unwrap_or(Number::MAX);
        *numbers.entry(word).or_insert(next)
    };
    for word in FIXED {
        number(&mut numbers, word);
    }
    let mut elements = |text: &'static str| -> Vec<Element> {
        let element = |element: &'static str| match element {
            "..." => Element::Anything,
            "()" => Element::Group,
            "(q)" => Element::Query,
            "_" => Element::Any,
            "#" => Element::Spelt,
            _ => {
                let words = element.strip_prefix('~').unwrap_or(element).split('|');
                let list = words.clone().filter(|word| *word != "$").map(|word| number(&mut numbers, word)).collect();
                if element.starts_with('~') {
                    Element::Not(list)
                } else {
                    Element::One(list, words.clone().any(|word| word == "$"))
                }
            }
        };
        text.split_whitespace().map(element).collect()
    };
    let edge = |(release, pattern, name): &(u16, &'static str, &'static str)| {
        let (head, place) = pattern.split_once('@').unwrap_or((pattern, ""));
        Edge { release: *release, name, head: elements(head), place: elements(place) }
    };
    let edges = EDGES.iter().map(edge).collect();
    let mut lengths = [0_u64; 128];
    for word in numbers.keys() {
        lengths[usize::from(word.as_bytes()[0]) % 128] |= 1 << (word.len() % 64);
    }
    Table { numbers, lengths, edges }
});

impl Table {
    fn number(&self, shown: &str) -> Number {
        let mut upper = [0_u8; 48];
        let first = shown.as_bytes().first().map_or(0, u8::to_ascii_uppercase);
        let known = first < 128 && self.lengths[usize::from(first)] & (1 << (shown.len() % 64)) != 0;
        let Some(upper) = upper.get_mut(..shown.len()).filter(|_| known) else { return 0 };
        upper.copy_from_slice(shown.as_bytes());
        upper.make_ascii_uppercase();
        std::str::from_utf8(upper).ok().and_then(|upper| self.numbers.get(upper)).copied().unwrap_or(0)
    }
}

/// Which words of the patterns a statement holds.
struct Held {
    words: [u64; 8],
    spelt: bool,
}

impl Held {
    fn of(words: &[Word]) -> Self {
        let mut held = Self { words: [0; 8], spelt: false };
        for word in words {
            held.words[usize::from(word.number / 64) % 8] |= 1 << (word.number % 64);
            held.spelt |= word.spelt;
        }
        held
    }

    fn holds(&self, number: Number) -> bool {
        self.words[usize::from(number / 64) % 8] & (1 << (number % 64)) != 0
    }

    /// Says whether a pattern can be found at all.
    fn may_match(&self, edge: &Edge) -> bool {
        edge.head.iter().chain(&edge.place).all(|element| match element {
            Element::One(list, end) => *end || list.iter().any(|number| self.holds(*number)),
            Element::Spelt => self.spelt,
            Element::Group | Element::Query => self.holds(OPEN),
            _ => true,
        })
    }
}

/// Finds the first construct that is newer than the declared release: its place and what to say of it.
pub fn newer(text: &str, flavour: Flavour) -> Option<(Span, String)> {
    let declared = flavour.release.filter(|release| release.major < 18)?;
    let words = words(text);
    let held = Held::of(&words);
    let newer = TABLE.edges.iter().filter(|edge| edge.release > declared.major && held.may_match(edge));
    let found = newer.filter_map(|edge| Some((find(&words, edge)?, edge.release, edge.name)));
    let (place, release, name) = found.min_by_key(|(place, release, _)| (*place, std::cmp::Reverse(*release)))?;
    let span = words.get(place).map_or(Span::new(0, 1), |word| word.span);
    Some((span, format!("{name}: this needs PostgreSQL {release}; this target says {declared}")))
}

fn words(text: &str) -> Vec<Word> {
    let significant = Lexer::new(text, Dialect::Postgres).filter(|token| token.kind.is_significant());
    let word = |token: crate::sql::lex::Token| {
        let shown = token.span.of(text);
        let number = if matches!(token.kind, TokenKind::Word | TokenKind::Symbol) { TABLE.number(shown) } else { 0 };
        let radix = || matches!(shown.as_bytes(), [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
        let spelt = token.kind == TokenKind::Number && (shown.contains('_') || radix());
        Word { span: token.span, number, spelt }
    };
    significant.take(LONGEST).map(word).collect()
}

/// Returns the token where a pattern begins that the words hold.
fn find(words: &[Word], edge: &Edge) -> Option<usize> {
    let behind = follow(words, 0, &edge.head)?;
    if edge.place.is_empty() {
        return Some(0);
    }
    // A token that must not be something may also be missing: the place may be the first one.
    (behind..words.len()).find(|start| follow(words, *start, &edge.place).is_some())
}

/// Follows the elements of a pattern from a token on; returns the token behind them.
fn follow(words: &[Word], at: usize, pattern: &[Element]) -> Option<usize> {
    let Some((element, rest)) = pattern.split_first() else { return Some(at) };
    match element {
        Element::Anything => {
            let mut depth = 0_usize;
            for place in at..words.len() {
                if let Some(end) = follow(words, place, rest) {
                    return Some(end);
                }
                match words[place].number {
                    OPEN => depth += 1,
                    CLOSE => depth = depth.checked_sub(1)?,
                    _ => {}
                }
            }
            None
        }
        Element::Group | Element::Query => {
            let end = group(words, at)?;
            let query = words.get(at + 1).is_some_and(|word| QUERIES.contains(&word.number));
            if matches!(element, Element::Query) && !query { None } else { follow(words, end, rest) }
        }
        element if fits(words.get(at), element) => follow(words, at + 1, rest),
        _ => None,
    }
}

fn fits(word: Option<&Word>, element: &Element) -> bool {
    match (element, word) {
        (Element::One(_, end), None) => *end,
        (Element::Not(_), None) => true,
        (_, None) => false,
        (Element::Spelt, Some(word)) => word.spelt,
        (Element::Not(list), Some(word)) => !list.contains(&word.number),
        (Element::One(list, _), Some(word)) => list.contains(&word.number),
        _ => true,
    }
}

/// Returns the token behind a group in parentheses.
fn group(words: &[Word], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, word) in words.iter().enumerate().skip(at) {
        match word.number {
            OPEN => depth += 1,
            CLOSE => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return (place > at).then_some(place + 1);
        }
    }
    None
}
