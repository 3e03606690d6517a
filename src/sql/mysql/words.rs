//! The words of MySQL and MariaDB as small numbers: keywords of the grammar, which of them are reserved, and symbols.
//!
//! Data: a word is a keyword because the grammar names it, and reserved because the manuals list it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::config::Dialect;
use crate::config::flavour::Release;

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

/// Reserved words: each with the dialects that reserve it (`*` for both, `m` MySQL, `d` MariaDB), and where it is not all
/// releases, `since` or `until` which.
const RESERVED: &str = include_str!("reserved.txt");
/// Other keywords; what the letters say is told there.
const KEYWORDS: &str = include_str!("keywords.txt");
/// Words that are the same token as another (the servers' own table of symbols).
const SAME: &[(&str, &str)] = &[
    ("SQL_TSI_SECOND", "SECOND"),
    ("SQL_TSI_MINUTE", "MINUTE"),
    ("SQL_TSI_HOUR", "HOUR"),
    ("SQL_TSI_DAY", "DAY"),
    ("SQL_TSI_WEEK", "WEEK"),
    ("SQL_TSI_MONTH", "MONTH"),
    ("SQL_TSI_QUARTER", "QUARTER"),
    ("SQL_TSI_YEAR", "YEAR"),
];

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
    /// In which releases a keyword is never the name of a plain function.
    uncallable: Vec<Option<Releases>>,
    /// Words that only some releases reserve: the kind that may be a name, the one that may not, and where it counts.
    twins: Vec<(Kind, Kind, Releases)>,
    longest: usize,
}

/// Releases of one product.
#[derive(Debug, Clone, Copy)]
struct Releases {
    since: Option<Release>,
    until: Option<Release>,
}

impl Releases {
    /// Reads `since 8.4 until 9.0`, of which each half may be missing.
    fn read<'w>(words: impl Iterator<Item = &'w str>) -> Self {
        let words: Vec<&str> = words.collect();
        let behind = |word: &str| {
            let at = words.iter().position(|other| *other == word)?;
            Release::parse(words.get(at + 1)?)
        };
        Self { since: behind("since"), until: behind("until") }
    }

    fn are_all(self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    /// Says whether a release is one of them; of one that is not declared only if all are.
    fn have(self, release: Option<Release>) -> bool {
        release.map_or(self.are_all(), |release| {
            self.since.is_none_or(|since| release >= since) && self.until.is_none_or(|until| release < until)
        })
    }
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
            uncallable: vec![None; first],
            twins: Vec::new(),
            longest: 0,
        };
        let mine = if dialect == Dialect::Mysql { 'm' } else { 'd' };
        for line in RESERVED.lines().filter(|line| !line.starts_with('#')) {
            let mut parts = line.split(' ');
            let (Some(word), Some(who)) = (parts.next(), parts.next()) else { continue };
            if who.contains('*') || who.contains(mine) {
                let mut kind = words.number(word);
                let releases = Releases::read(parts);
                if !releases.are_all() {
                    let free = kind;
                    kind = words.another(word);
                    words.twins.push((free, kind, releases));
                }
                words.reserved[usize::from(kind)] = true;
            }
        }
        for line in KEYWORDS.lines().filter(|line| !line.starts_with('#')) {
            let mut parts = line.split(' ');
            let (Some(word), Some(who)) = (parts.next(), parts.next()) else { continue };
            if who.contains(mine) || who.contains(mine.to_ascii_uppercase()) {
                let kind = words.number(word);
                words.uncallable[usize::from(kind)] = who.contains(mine).then(|| Releases::read(parts));
            }
        }
        for (word, other) in SAME {
            let kind = words.number(other);
            words.numbers.insert(word.as_bytes().to_vec(), kind);
            words.longest = words.longest.max(word.len());
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
        let kind = self.another(word);
        self.numbers.insert(word.as_bytes().to_vec(), kind);
        self.longest = self.longest.max(word.len());
        kind
    }

    /// Makes one more kind that looks like a word.
    fn another(&mut self, word: &str) -> Kind {
        let kind = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.names.push(word.to_owned());
        self.reserved.push(false);
        self.calls.push(false);
        self.uncallable.push(None);
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

    /// Returns the kind of a word in a release.
    pub(super) fn kind_in(&self, word: &[u8], call: bool, release: Option<Release>) -> Kind {
        let kind = self.kind_of(word, call);
        let twin = self.twins.iter().find(|(free, _, releases)| *free == kind && releases.have(release));
        twin.map_or(kind, |(_, reserved, _)| *reserved)
    }

    /// Returns the kind that a word has where it is reserved, if only some releases reserve it.
    pub(super) fn twin(&self, kind: Kind) -> Option<Kind> {
        self.twins.iter().find(|(free, _, _)| *free == kind).map(|(_, reserved, _)| *reserved)
    }

    /// Says whether a name of this kind may be that of a plain function.
    pub(super) fn is_callable(&self, kind: Kind, release: Option<Release>) -> bool {
        !self.uncallable[usize::from(kind)].is_some_and(|releases| releases.have(release))
    }

    /// Says whether a word is reserved.
    pub(super) fn is_reserved(&self, word: &[u8], release: Option<Release>) -> bool {
        self.reserved[usize::from(self.kind_in(word, false, release))]
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
