//! The tokens of one statement, one behind the other, as far as it is certain how SQLite reads them.
//!
//! Knows plain names, keywords and numbers. Whatever is in doubt is `None`: the caller gives up then.

use crate::config::Dialect;
use crate::sql::lex::{Lexer, TokenKind};
use crate::text::Span;

use super::LONGEST_NAME;

/// Keywords of SQLite (<https://www.sqlite.org/lang_keywords.html>), sorted.
const KEYWORDS: [&str; 147] = [
    "ABORT",
    "ACTION",
    "ADD",
    "AFTER",
    "ALL",
    "ALTER",
    "ALWAYS",
    "ANALYZE",
    "AND",
    "AS",
    "ASC",
    "ATTACH",
    "AUTOINCREMENT",
    "BEFORE",
    "BEGIN",
    "BETWEEN",
    "BY",
    "CASCADE",
    "CASE",
    "CAST",
    "CHECK",
    "COLLATE",
    "COLUMN",
    "COMMIT",
    "CONFLICT",
    "CONSTRAINT",
    "CREATE",
    "CROSS",
    "CURRENT",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "DATABASE",
    "DEFAULT",
    "DEFERRABLE",
    "DEFERRED",
    "DELETE",
    "DESC",
    "DETACH",
    "DISTINCT",
    "DO",
    "DROP",
    "EACH",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXCLUDE",
    "EXCLUSIVE",
    "EXISTS",
    "EXPLAIN",
    "FAIL",
    "FILTER",
    "FIRST",
    "FOLLOWING",
    "FOR",
    "FOREIGN",
    "FROM",
    "FULL",
    "GENERATED",
    "GLOB",
    "GROUP",
    "GROUPS",
    "HAVING",
    "IF",
    "IGNORE",
    "IMMEDIATE",
    "IN",
    "INDEX",
    "INDEXED",
    "INITIALLY",
    "INNER",
    "INSERT",
    "INSTEAD",
    "INTERSECT",
    "INTO",
    "IS",
    "ISNULL",
    "JOIN",
    "KEY",
    "LAST",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MATCH",
    "MATERIALIZED",
    "NATURAL",
    "NO",
    "NOT",
    "NOTHING",
    "NOTNULL",
    "NULL",
    "NULLS",
    "OF",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OTHERS",
    "OUTER",
    "OVER",
    "PARTITION",
    "PLAN",
    "PRAGMA",
    "PRECEDING",
    "PRIMARY",
    "QUERY",
    "RAISE",
    "RANGE",
    "RECURSIVE",
    "REFERENCES",
    "REGEXP",
    "REINDEX",
    "RELEASE",
    "RENAME",
    "REPLACE",
    "RESTRICT",
    "RETURNING",
    "RIGHT",
    "ROLLBACK",
    "ROW",
    "ROWS",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "TABLE",
    "TEMP",
    "TEMPORARY",
    "THEN",
    "TIES",
    "TO",
    "TRANSACTION",
    "TRIGGER",
    "UNBOUNDED",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USING",
    "VACUUM",
    "VALUES",
    "VIEW",
    "VIRTUAL",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHOUT",
];

const LONGEST_KEYWORD: usize = 17;

/// Reads a statement.
pub(super) struct Reader<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    kind: Option<TokenKind>,
    span: Span,
    /// A comment stands in the statement, and one that SQLite may read otherwise.
    comments: bool,
    odd: bool,
}

impl<'t> Reader<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let lexer = Lexer::new(text, Dialect::Sqlite);
        let mut reader = Self { text, lexer, kind: None, span: Span::default(), comments: false, odd: false };
        reader.skip();
        reader
    }

    /// Goes on to the next token that means something.
    pub(super) fn skip(&mut self) {
        for token in self.lexer.by_ref() {
            if token.kind.is_significant() {
                self.kind = Some(token.kind);
                self.span = token.span;
                return;
            }
            // The end of the text may close a comment.
            let comment = token.span.of(self.text);
            self.comments |= token.kind == TokenKind::Comment;
            self.odd |= comment.starts_with("/*") && (comment.len() < 4 || !comment.ends_with("*/"));
        }
        self.kind = None;
        self.span = Span::new(self.text.len(), self.text.len());
    }

    /// What is present, and what it is.
    pub(super) fn present(&self) -> (Option<TokenKind>, &'t str) {
        (self.kind, self.span.of(self.text))
    }

    /// The text from the present token on.
    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.span.start..]
    }

    /// Takes so many bytes of symbols.
    pub(super) fn skip_bytes(&mut self, length: usize) {
        self.lexer.skip_to(self.span.start + length);
        self.skip();
    }

    /// Says whether a symbol is present.
    pub(super) fn peek(&self, symbol: &str) -> bool {
        self.kind == Some(TokenKind::Symbol) && self.span.of(self.text) == symbol
    }

    /// Takes a symbol, if it is present.
    pub(super) fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek(symbol);
        if found {
            self.skip();
        }
        found
    }

    /// Says whether a word is present, not in quotes.
    pub(super) fn peek_word(&self, word: &str) -> bool {
        self.kind == Some(TokenKind::Word) && self.span.of(self.text).eq_ignore_ascii_case(word)
    }

    /// Takes a word, if it is present.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = self.peek_word(word);
        if found {
            self.skip();
        }
        found
    }

    /// Takes a symbol that must be present.
    pub(super) fn need(&mut self, symbol: &str) -> Option<()> {
        self.symbol(symbol).then_some(())
    }

    /// Takes a word that must be present.
    pub(super) fn need_word(&mut self, word: &str) -> Option<()> {
        self.word(word).then_some(())
    }

    /// Takes a plain name, in quotes or not, as it is written within them.
    pub(super) fn name(&mut self) -> Option<&'t str> {
        let shown = self.span.of(self.text);
        let name = match self.kind? {
            TokenKind::Word if !is_keyword(shown) || is_harmless(shown) => shown,
            TokenKind::QuotedName => shown.get(1..shown.len() - 1)?,
            _ => return None,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
            return None;
        }
        self.skip();
        Some(name)
    }

    /// Takes a word that is no keyword, as types are made of.
    pub(super) fn plain_word(&mut self) -> Option<&'t str> {
        let word = self.span.of(self.text);
        (self.kind == Some(TokenKind::Word) && !is_keyword(word)).then(|| self.name()).flatten()
    }

    /// Takes a number without a sign: digits, with a fraction and an exponent.
    pub(super) fn number(&mut self) -> Option<()> {
        let shown = self.span.of(self.text);
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (mantissa, exponent) = shown.split_once(['e', 'E']).map_or((shown, None), |(m, e)| (m, Some(e)));
        let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
        let sound = self.kind == Some(TokenKind::Number)
            && digits(whole)
            && fraction.is_none_or(digits)
            && exponent.is_none_or(digits);
        sound.then(|| self.skip())
    }

    /// Takes a string.
    pub(super) fn string(&mut self) -> Option<()> {
        (self.kind == Some(TokenKind::Text)).then(|| self.skip())
    }

    /// Takes bytes in hexadecimal digits, `x'1f'`.
    pub(super) fn blob(&mut self) -> Option<()> {
        let digits = self.rest().get(2..)?.split('\'').next()?;
        let sound = self.rest().as_bytes()[1] == b'\''
            && digits.len() % 2 == 0
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            && self.rest().as_bytes().get(digits.len() + 2) == Some(&b'\'');
        sound.then(|| self.skip_bytes(digits.len() + 3))
    }

    /// The statement ends here, and no comment stands in it: SQLite keeps the text of a column that is added as it is.
    pub(super) fn end_without_comments(&mut self) -> Option<()> {
        self.end().filter(|()| !self.comments)
    }

    /// The statement ends here.
    pub(super) fn end(&mut self) -> Option<()> {
        self.symbol(";");
        (self.kind.is_none() && !self.odd).then_some(())
    }
}

/// Keywords that SQLite takes for a name wherever one may stand, and never for anything else there.
fn is_harmless(word: &str) -> bool {
    ["KEY", "ACTION", "DATABASE", "PLAN", "QUERY"].iter().any(|harmless| harmless.eq_ignore_ascii_case(word))
}

/// Says whether a word is a keyword of SQLite.
pub(in crate::sql::sqlite) fn is_keyword(word: &str) -> bool {
    let mut upper = [0_u8; LONGEST_KEYWORD];
    let Some(upper) = upper.get_mut(..word.len()) else { return false };
    upper.copy_from_slice(word.as_bytes());
    upper.make_ascii_uppercase();
    KEYWORDS.binary_search_by(|keyword| keyword.as_bytes().cmp(upper)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that stand in no place of a name, or mean something else there, are refused as a name by the library.
    #[test]
    fn the_list_of_keywords_is_sorted_and_the_library_agrees() {
        assert!(KEYWORDS.is_sorted());
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        for word in ["id", "name", "type", "value", "data", "description", "text", "date", "user", "position"] {
            assert!(!is_keyword(word));
            connection.execute_batch(&format!("CREATE TABLE {word} ({word} {word})")).unwrap();
        }
        for word in ["key", "action", "database", "plan", "query"] {
            connection.execute_batch(&format!("CREATE TABLE {word} ({word} INT, CHECK ({word} > 1))")).unwrap();
            connection.execute_batch(&format!("UPDATE {word} SET {word} = 1 WHERE {word} = 2")).unwrap();
            connection.execute_batch(&format!("CREATE INDEX i_{word} ON {word} ({word})")).unwrap();
        }
    }
}
