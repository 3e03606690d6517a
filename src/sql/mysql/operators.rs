//! The kinds of tokens that expressions ask for: operators and the words that bind.

use crate::config::Dialect;
use crate::sql::mysql::words::{self, Kind};

/// The kinds that expressions ask for, looked up once for a grammar.
pub(super) struct Known {
    pub(super) open: Kind,
    pub(super) close: Kind,
    pub(super) comma: Kind,
    pub(super) dot: Kind,
    pub(super) star: Kind,
    pub(super) minus: Kind,
    pub(super) plus: Kind,
    pub(super) arrow: Kind,
    pub(super) long_arrow: Kind,
    pub(super) brace: Kind,
    pub(super) end_brace: Kind,
    pub(super) assign: Kind,
    pub(super) at_sign: Kind,
    pub(super) or: [Kind; 2],
    pub(super) xor: Kind,
    pub(super) and: [Kind; 2],
    pub(super) not: Kind,
    pub(super) bang: Kind,
    pub(super) tilde: Kind,
    pub(super) compare: [Kind; 8],
    pub(super) bits: [Kind; 4],
    pub(super) products: [Kind; 6],
    pub(super) is: Kind,
    pub(super) null: Kind,
    pub(super) truth: [Kind; 3],
    pub(super) like: Kind,
    pub(super) matches: [Kind; 2],
    pub(super) inside: Kind,
    pub(super) between: Kind,
    pub(super) sounds: Kind,
    pub(super) member: Kind,
    pub(super) of: Kind,
    pub(super) escape: Kind,
    pub(super) collate: Kind,
    pub(super) interval: Kind,
    pub(super) binary: Kind,
    pub(super) quantifiers: [Kind; 3],
    pub(super) queries: [Kind; 4],
    pub(super) bare: [Kind; 3],
    /// MariaDB: `a LIKE b LIKE c`, which MySQL refuses.
    pub(super) chains: bool,
    /// MySQL: `->`, `->>` and MEMBER OF, which MariaDB does not have.
    pub(super) arrows: bool,
    /// MySQL: `@` alone is the variable whose name is empty.
    pub(super) nameless: bool,
}

impl Known {
    /// Words that expressions ask for and that the grammar may not name.
    pub(super) const WORDS: [&'static str; 10] =
        ["ESCAPE", "SOUNDS", "MEMBER", "OF", "UNKNOWN", "ANY", "SOME", "BINARY", "RLIKE", "XOR"];

    /// Looks the kinds up.
    pub(super) fn of(words: &words::Words, dialect: Dialect) -> Self {
        let symbol = |text: &str| words::symbol(text).unwrap_or(words::STRANGE);
        let word = |text: &str| match words.kind_of(text.as_bytes(), true) {
            words::NAME => words::STRANGE,
            kind => kind,
        };
        Self {
            open: symbol("("),
            close: symbol(")"),
            comma: symbol(","),
            dot: symbol("."),
            star: symbol("*"),
            minus: symbol("-"),
            plus: symbol("+"),
            arrow: symbol("->"),
            long_arrow: symbol("->>"),
            brace: symbol("{"),
            end_brace: symbol("}"),
            assign: symbol(":="),
            at_sign: symbol("@"),
            or: [word("OR"), symbol("||")],
            xor: word("XOR"),
            and: [word("AND"), symbol("&&")],
            not: word("NOT"),
            bang: symbol("!"),
            tilde: symbol("~"),
            compare: ["=", "<=>", ">=", ">", "<=", "<", "<>", "!="].map(symbol),
            bits: ["|", "&", "<<", ">>"].map(symbol),
            products: [symbol("*"), symbol("/"), symbol("%"), symbol("^"), word("DIV"), word("MOD")],
            is: word("IS"),
            null: word("NULL"),
            truth: ["TRUE", "FALSE", "UNKNOWN"].map(word),
            like: word("LIKE"),
            matches: ["REGEXP", "RLIKE"].map(word),
            inside: word("IN"),
            between: word("BETWEEN"),
            sounds: word("SOUNDS"),
            member: word("MEMBER"),
            of: word("OF"),
            escape: word("ESCAPE"),
            collate: word("COLLATE"),
            interval: word("INTERVAL"),
            binary: word("BINARY"),
            quantifiers: ["ALL", "ANY", "SOME"].map(word),
            queries: ["SELECT", "WITH", "VALUES", "TABLE"].map(word),
            bare: ["NULL", "TRUE", "FALSE"].map(word),
            chains: dialect == Dialect::Mariadb,
            arrows: dialect == Dialect::Mysql,
            nameless: dialect == Dialect::Mysql,
        }
    }
}
