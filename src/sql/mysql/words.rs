//! The words of MySQL and MariaDB as small numbers: keywords of the grammar, which of them are reserved, and symbols.
//!
//! Data: a word is a keyword because the grammar names it, and reserved because the manuals list it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::config::Dialect;

/// What a token is: one of the constants here, a symbol or a keyword.
pub(super) type Kind = u16;

/// Behind the last token.
pub(super) const END: Kind = 0;
/// A plain name that is no keyword.
pub(super) const NAME: Kind = 1;
/// A quoted name.
pub(super) const QUOTED: Kind = 2;
/// A string.
pub(super) const TEXT: Kind = 3;
/// A whole number, also hexadecimal or binary.
pub(super) const WHOLE: Kind = 4;
/// Another number.
pub(super) const DECIMAL: Kind = 5;
/// A variable such as `@name`; a host behind a user's name looks the same.
pub(super) const VARIABLE: Kind = 6;
/// The name of a character set before a string, such as `_utf8mb4`.
pub(super) const CHARSET: Kind = 7;
/// A hexadecimal or binary number.
pub(super) const HEX: Kind = 8;
/// A character that begins nothing.
pub(super) const STRANGE: Kind = 9;
/// The first symbol; those of [`SYMBOLS`] follow.
pub(super) const FIRST_SYMBOL: Kind = 10;

/// Character sets, whose names behind `_` stand before strings.
pub(super) const CHARACTER_SETS: &[&str] = &[
    "armscii8", "ascii", "big5", "binary", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "cp932",
    "dec8", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r",
    "koi8u", "latin1", "latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7", "tis620", "ucs2", "ujis",
    "utf16", "utf16le", "utf32", "utf8", "utf8mb3", "utf8mb4",
];

/// Symbols, longer ones before those that they begin with.
pub(super) const SYMBOLS: &[&str] = &[
    "<=>", "->>", ":=", "<=", ">=", "<>", "!=", "<<", ">>", "||", "&&", "->", "..", "(", ")", ",", ".", "=", "<", ">",
    "+", "-", "*", "/", "%", "^", "&", "|", "~", "!", ":", "@", ";", "{", "}",
];

/// Returns the kind of a symbol.
pub(super) fn symbol(text: &str) -> Option<Kind> {
    let place = SYMBOLS.iter().position(|symbol| *symbol == text)?;
    Some(FIRST_SYMBOL + u16::try_from(place).ok()?)
}

/// Returns the symbol at the beginning of some bytes: its kind and length.
pub(super) fn symbol_at(bytes: &[u8]) -> Option<(Kind, usize)> {
    let place = SYMBOLS.iter().position(|symbol| bytes.starts_with(symbol.as_bytes()))?;
    Some((FIRST_SYMBOL + u16::try_from(place).ok()?, SYMBOLS[place].len()))
}

/// Reserved words: each with the dialects that reserve it (`*` for both, `m` MySQL, `d` MariaDB).
const RESERVED: &str = include_str!("reserved.txt");

/// Words that are keywords only where a parenthesis follows at once (MySQL manual, "Function Name Parsing").
const CALLS: &[&str] = &[
    "ADDDATE",
    "BIT_AND",
    "BIT_OR",
    "BIT_XOR",
    "CAST",
    "COUNT",
    "CURDATE",
    "CURTIME",
    "DATE_ADD",
    "DATE_SUB",
    "EXTRACT",
    "GROUP_CONCAT",
    "JSON_ARRAYAGG",
    "JSON_OBJECTAGG",
    "MAX",
    "MID",
    "MIN",
    "NOW",
    "POSITION",
    "SESSION_USER",
    "STD",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "SUBDATE",
    "SUBSTR",
    "SUBSTRING",
    "SUM",
    "SYSDATE",
    "SYSTEM_USER",
    "TRIM",
    "VARIANCE",
    "VAR_POP",
    "VAR_SAMP",
];

/// A fast hash for short words.
#[derive(Default)]
struct WordHasher(u64);

impl Hasher for WordHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }
}

/// The words of one dialect.
pub(super) struct Words {
    numbers: HashMap<Vec<u8>, Kind, BuildHasherDefault<WordHasher>>,
    names: Vec<String>,
    reserved: Vec<bool>,
    calls: Vec<bool>,
    longest: usize,
}

impl Words {
    /// Starts with the reserved words of a dialect.
    pub(super) fn new(dialect: Dialect) -> Self {
        let first = usize::from(FIRST_SYMBOL) + SYMBOLS.len();
        let mut words = Self {
            numbers: HashMap::default(),
            names: vec![String::new(); first],
            reserved: vec![false; first],
            calls: vec![false; first],
            longest: 0,
        };
        let mine = if dialect == Dialect::Mysql { 'm' } else { 'd' };
        for line in RESERVED.lines().filter(|line| !line.starts_with('#')) {
            let Some((word, who)) = line.split_once(' ') else { continue };
            if who.contains('*') || who.contains(mine) {
                let kind = words.number(word);
                words.reserved[usize::from(kind)] = true;
            }
        }
        for word in CALLS {
            let kind = words.number(word);
            words.calls[usize::from(kind)] = true;
        }
        words
    }

    /// Returns the number of a keyword in upper case; a new word gets one.
    pub(super) fn number(&mut self, word: &str) -> Kind {
        if let Some(kind) = self.numbers.get(word.as_bytes()) {
            return *kind;
        }
        let kind = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.numbers.insert(word.as_bytes().to_vec(), kind);
        self.names.push(word.to_owned());
        self.reserved.push(false);
        self.calls.push(false);
        self.longest = self.longest.max(word.len());
        kind
    }

    /// Returns how many kinds there are.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// Returns the kind of a word as it is written; `call` says whether a parenthesis follows at once.
    pub(super) fn kind_of(&self, word: &[u8], call: bool) -> Kind {
        let mut upper = [0_u8; 40];
        if word.len() > self.longest.min(upper.len()) {
            return NAME;
        }
        for (place, byte) in upper.iter_mut().zip(word) {
            *place = byte.to_ascii_uppercase();
        }
        let kind = self.numbers.get(&upper[..word.len()]).copied().unwrap_or(NAME);
        if self.calls[usize::from(kind)] && !call { NAME } else { kind }
    }

    /// Says whether a token of this kind may be a name: plain or quoted, or a keyword that is not reserved.
    pub(super) fn is_name(&self, kind: Kind) -> bool {
        let index = usize::from(kind);
        matches!(kind, NAME | QUOTED) || !self.names[index].is_empty() && !self.reserved[index] && !self.calls[index]
    }

    /// Shows what a kind looks like in SQL.
    pub(super) fn shown(&self, kind: Kind) -> String {
        let fixed = [
            "the end of the statement",
            "a name",
            "a name",
            "a string",
            "a number",
            "a number",
            "a variable",
            "a character set",
        ];
        match usize::from(kind) {
            index if index < fixed.len() => fixed[index].to_owned(),
            index if index >= usize::from(FIRST_SYMBOL) && index - usize::from(FIRST_SYMBOL) < SYMBOLS.len() => {
                format!("`{}`", SYMBOLS[index - usize::from(FIRST_SYMBOL)])
            }
            index => self.names.get(index).cloned().unwrap_or_default(),
        }
    }
}
