//! Expressions that SQLite surely takes: values, columns of one table, operators and its own functions.
//!
//! Knows SQLite's operators by their binding (<https://www.sqlite.org/lang_expr.html>) and what its functions take.
//! Queries, parameters, windows and everything rare is left to SQLite.

use crate::sql::lex::TokenKind;

use super::reader::Reader;

/// Highest tree that is certain; SQLite itself allows 1,000.
const HIGHEST: usize = 100;

/// Names that an expression may use.
pub(super) struct Scope<'s> {
    /// The table, and its columns in lower case.
    pub(super) table: &'s str,
    pub(super) columns: Columns<'s>,
    /// Whether the answer must always be the same: checks and the conditions of indexes.
    pub(super) pure: bool,
}

/// Columns that an expression may use.
pub(super) enum Columns<'s> {
    /// These, in lower case.
    Known(&'s [String]),
    /// What is used is noted in lower case, and looked up later.
    Noted(Vec<String>),
}

impl Scope<'_> {
    /// Nothing but values.
    pub(super) fn values() -> Self {
        Scope { table: "", columns: Columns::Known(&[]), pure: false }
    }

    fn column(&mut self, name: &str) -> Option<()> {
        match &mut self.columns {
            Columns::Known(columns) => has(columns, name).then_some(()),
            Columns::Noted(noted) => {
                noted.push(name.to_ascii_lowercase());
                Some(())
            }
        }
    }
}

/// Says whether a column is among those, whose names are in lower case.
pub(super) fn has(columns: &[String], name: &str) -> bool {
    columns.iter().any(|column| column.eq_ignore_ascii_case(name))
}

// How strongly operators bind, weakest first.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const EQUAL: u8 = 4;
const COMPARE: u8 = 5;
const ESCAPE: u8 = 6;
const BITS: u8 = 7;
const SUM: u8 = 8;
const PRODUCT: u8 = 9;
const JOINED: u8 = 10;
const COLLATE: u8 = 11;
const SIGN: u8 = 12;

/// Reads one expression.
pub(super) fn expression(reader: &mut Reader<'_>, scope: &mut Scope<'_>) -> Option<()> {
    Climb { reader, scope, depth: 0 }.climb(OR).map(|_| ())
}

struct Climb<'a, 't, 's> {
    reader: &'a mut Reader<'t>,
    scope: &'a mut Scope<'s>,
    depth: usize,
}

impl Climb<'_, '_, '_> {
    /// Reads what binds at least so strongly; returns the height of its tree.
    fn climb(&mut self, least: u8) -> Option<usize> {
        self.depth += 1;
        let mut height = self.operand(least)?;
        loop {
            if self.depth + height > HIGHEST {
                return None;
            }
            let Some(right) = self.operator(least)? else { break };
            height = height.max(right) + 1;
        }
        self.depth -= 1;
        Some(height)
    }

    /// Reads an operator and what stands to its right; `Some(None)` where there is none that binds so strongly.
    fn operator(&mut self, least: u8) -> Option<Option<usize>> {
        match self.reader.present() {
            (Some(TokenKind::Symbol), _) => {
                let Some((sign, binding)) = sign(self.reader.rest()) else { return Some(None) };
                if sign == "->" {
                    return None;
                }
                if binding < least {
                    return Some(None);
                }
                self.reader.skip_bytes(sign.len());
                self.climb(binding + 1).map(Some)
            }
            (Some(TokenKind::Word), word) => self.word_operator(word, least),
            _ => Some(None),
        }
    }

    fn word_operator(&mut self, word: &str, least: u8) -> Option<Option<usize>> {
        let is = |known: &str| word.eq_ignore_ascii_case(known);
        let binding = match word.as_bytes()[0].to_ascii_uppercase() {
            b'O' if is("OR") => OR,
            b'A' if is("AND") => AND,
            b'C' if is("COLLATE") => COLLATE,
            b'I' if is("IS") || is("IN") || is("ISNULL") => EQUAL,
            b'L' | b'G' | b'B' | b'N'
                if ["LIKE", "GLOB", "BETWEEN", "NOT", "NOTNULL"].iter().any(|known| is(known)) =>
            {
                EQUAL
            }
            _ => return Some(None),
        };
        if binding < least {
            return Some(None);
        }
        self.reader.skip();
        match binding {
            OR | AND => self.climb(binding + 1),
            COLLATE => collation(self.reader).map(|()| 1),
            _ if is("ISNULL") || is("NOTNULL") => Some(1),
            _ if is("IS") => {
                self.reader.word("NOT");
                self.climb(COMPARE)
            }
            _ if is("NOT") && self.reader.word("NULL") => Some(1),
            _ if is("NOT") => {
                let (_, word) = self.reader.present();
                self.reader.skip();
                self.predicate(word)
            }
            _ => self.predicate(word),
        }
        .map(Some)
    }

    /// What stands behind LIKE, GLOB, BETWEEN and IN.
    fn predicate(&mut self, word: &str) -> Option<usize> {
        let is = |known: &str| word.eq_ignore_ascii_case(known);
        if is("LIKE") || is("GLOB") {
            let height = self.climb(BITS)?;
            let escape = if self.reader.word("ESCAPE") { self.climb(ESCAPE + 1)? } else { 0 };
            Some(height.max(escape))
        } else if is("BETWEEN") {
            let low = self.climb(BITS)?;
            self.reader.need_word("AND")?;
            Some(self.climb(BITS)?.max(low))
        } else if is("IN") {
            self.reader.need("(")?;
            self.list().map(|(_, height)| height)
        } else {
            None
        }
    }

    /// Expressions up to the parenthesis that closes; their number and height.
    fn list(&mut self) -> Option<(usize, usize)> {
        let (mut count, mut highest) = (0, 0);
        loop {
            highest = highest.max(self.climb(OR)?);
            count += 1;
            if !self.reader.symbol(",") {
                break;
            }
        }
        self.reader.need(")")?;
        Some((count, highest))
    }

    fn operand(&mut self, least: u8) -> Option<usize> {
        match self.reader.present() {
            (Some(TokenKind::Number), _) => self.reader.number().map(|()| 1),
            (Some(TokenKind::Text), _) => self.reader.string().map(|()| 1),
            (Some(TokenKind::Symbol), "(") => {
                self.reader.skip();
                let height = self.climb(OR)?;
                self.reader.need(")")?;
                Some(height + 1)
            }
            (Some(TokenKind::Symbol), "-" | "+" | "~") => {
                self.reader.skip();
                Some(self.climb(SIGN)? + 1)
            }
            (Some(TokenKind::Word), word) => self.word_operand(word, least),
            (Some(TokenKind::QuotedName), _) => self.named(),
            _ => None,
        }
    }

    fn word_operand(&mut self, word: &str, least: u8) -> Option<usize> {
        let is = |known: &str| word.eq_ignore_ascii_case(known);
        if is("NULL") {
            self.reader.skip();
            Some(1)
        } else if is("NOT") {
            if least > NOT {
                return None;
            }
            self.reader.skip();
            Some(self.climb(NOT)? + 1)
        } else if is("CASE") {
            self.reader.skip();
            self.case()
        } else if is("CAST") {
            self.reader.skip();
            self.reader.need("(")?;
            let height = self.climb(OR)?;
            self.reader.need_word("AS")?;
            self.reader.plain_word()?;
            self.reader.need(")")?;
            Some(height + 1)
        } else if is("x") && self.reader.rest().as_bytes().get(1) == Some(&b'\'') {
            self.reader.blob().map(|()| 1)
        } else if is("REPLACE") {
            self.reader.skip();
            self.reader.need("(")?;
            let (count, height) = self.list()?;
            (count == 3).then_some(height + 1)
        } else if is_clock(word) {
            self.reader.skip();
            (!self.scope.pure).then_some(1)
        } else {
            self.named()
        }
    }

    fn case(&mut self) -> Option<usize> {
        let mut height = if self.reader.peek_word("WHEN") { 0 } else { self.climb(OR)? };
        let mut branches = 0;
        while self.reader.word("WHEN") {
            height = height.max(self.climb(OR)?);
            self.reader.need_word("THEN")?;
            height = height.max(self.climb(OR)?);
            branches += 1;
        }
        if self.reader.word("ELSE") {
            height = height.max(self.climb(OR)?);
        }
        self.reader.need_word("END")?;
        (branches > 0).then_some(height + 1)
    }

    /// A column or a call.
    fn named(&mut self) -> Option<usize> {
        let quoted = matches!(self.reader.present(), (Some(TokenKind::QuotedName), _));
        let name = self.reader.name()?;
        if self.reader.symbol("(") {
            let (least, most, pure) = arguments(name).filter(|_| !quoted)?;
            if self.scope.pure && !pure {
                return None;
            }
            let (count, height) = if self.reader.symbol(")") { (0, 0) } else { self.list()? };
            return (least <= count && count <= most).then_some(height + 1);
        }
        if self.reader.symbol(".") {
            let column = self.reader.name()?;
            return (name.eq_ignore_ascii_case(self.scope.table) && !self.reader.peek("."))
                .then(|| self.scope.column(column))
                .flatten()
                .map(|()| 1);
        }
        if !quoted && (name.eq_ignore_ascii_case("TRUE") || name.eq_ignore_ascii_case("FALSE")) {
            return Some(1);
        }
        self.scope.column(name).map(|()| 1)
    }
}

/// The operator of signs at the beginning of a text.
fn sign(text: &str) -> Option<(&'static str, u8)> {
    let bytes = text.as_bytes();
    let second = bytes.get(1).copied().unwrap_or(0);
    Some(match (bytes[0], second) {
        (b'|', b'|') => ("||", JOINED),
        (b'-', b'>') => ("->", JOINED),
        (b'<', b'=') => ("<=", COMPARE),
        (b'<', b'>') => ("<>", EQUAL),
        (b'<', b'<') => ("<<", BITS),
        (b'>', b'=') => (">=", COMPARE),
        (b'>', b'>') => (">>", BITS),
        (b'=', b'=') => ("==", EQUAL),
        (b'!', b'=') => ("!=", EQUAL),
        (b'<', _) => ("<", COMPARE),
        (b'>', _) => (">", COMPARE),
        (b'=', _) => ("=", EQUAL),
        (b'&', _) => ("&", BITS),
        (b'|', _) => ("|", BITS),
        (b'+', _) => ("+", SUM),
        (b'-', _) => ("-", SUM),
        (b'*', _) => ("*", PRODUCT),
        (b'/', _) => ("/", PRODUCT),
        (b'%', _) => ("%", PRODUCT),
        _ => return None,
    })
}

fn is_clock(word: &str) -> bool {
    word.len() > 8 && ["CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME"].iter().any(|c| c.eq_ignore_ascii_case(word))
}

/// Takes the name of a collation that SQLite has.
pub(super) fn collation(reader: &mut Reader<'_>) -> Option<()> {
    let name = reader.name()?;
    ["NOCASE", "BINARY", "RTRIM"].iter().any(|known| known.eq_ignore_ascii_case(name)).then_some(())
}

const ANY: usize = 20;

/// Functions of SQLite: the least and most arguments, and whether the answer is always the same
/// (<https://www.sqlite.org/lang_corefunc.html>, `lang_datefunc.html`).
const FUNCTIONS: [(&str, usize, usize, bool); 31] = [
    ("abs", 1, 1, true),
    ("char", 1, ANY, true),
    ("coalesce", 2, ANY, true),
    ("date", 0, ANY, false),
    ("datetime", 0, ANY, false),
    ("hex", 1, 1, true),
    ("ifnull", 2, 2, true),
    ("instr", 2, 2, true),
    ("julianday", 0, ANY, false),
    ("last_insert_rowid", 0, 0, false),
    ("length", 1, 1, true),
    ("lower", 1, 1, true),
    ("ltrim", 1, 2, true),
    ("max", 2, ANY, true),
    ("min", 2, ANY, true),
    ("nullif", 2, 2, true),
    ("printf", 1, ANY, true),
    ("quote", 1, 1, true),
    ("random", 0, 0, false),
    ("randomblob", 1, 1, false),
    ("round", 1, 2, true),
    ("rtrim", 1, 2, true),
    ("strftime", 1, ANY, false),
    ("substr", 2, 3, true),
    ("time", 0, ANY, false),
    ("trim", 1, 2, true),
    ("typeof", 1, 1, true),
    ("unicode", 1, 1, true),
    ("unixepoch", 0, ANY, false),
    ("upper", 1, 1, true),
    ("zeroblob", 1, 1, true),
];

fn arguments(name: &str) -> Option<(usize, usize, bool)> {
    let lower = name.to_ascii_lowercase();
    let at = FUNCTIONS.binary_search_by(|(function, ..)| (*function).cmp(lower.as_str())).ok()?;
    let (_, least, most, pure) = FUNCTIONS[at];
    Some((least, most, pure))
}
