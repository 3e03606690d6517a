//! Settings that a statement makes and that change how the text behind it reads.
//!
//! Knows those of PostgreSQL, MySQL and MariaDB that say where a text ends. Refuses to know the others.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::sql::lex::{Lexer, TokenKind};
use crate::text::Span;

/// Encodings in which a byte of a longer character may look like one of ASCII, a backslash for example (manual of
/// PostgreSQL, "Supported Character Sets", those that no server can have; of MySQL, "Supported Character Sets").
pub const HOLDS_ASCII: [&str; 11] =
    ["BIG5", "GB18030", "GBK", "JOHAB", "SJIS", "SHIFT_JIS_2004", "UHC", "CP932", "MSKANJI", "SHIFTJIS", "SHIFT_JIS"];

/// Modes of MySQL and MariaDB that hold `ANSI_QUOTES` (their manuals, "SQL Modes", combinations).
const ANSI: [&str; 7] = ["ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL"];

/// A flavour as a value of `sql_mode` makes it.
pub fn reads_text(sql_mode: &str, flavour: Flavour) -> Flavour {
    let has = |names: &[&str]| {
        sql_mode.split(',').any(|mode| names.iter().any(|name| mode.trim().eq_ignore_ascii_case(name)))
    };
    Flavour { ansi_quotes: has(&ANSI), no_backslash_escapes: has(&["NO_BACKSLASH_ESCAPES"]), ..flavour }
}

/// Finds in a statement a setting after which text reads in another way than the flavour says: its name and its place in
/// the statement. A value that is no plain text is not looked at.
pub fn reads_otherwise(text: &str, flavour: Flavour) -> Option<(&'static str, Span)> {
    let tokens: Vec<(&str, Span)> = Lexer::new(text, flavour)
        .filter(|token| token.kind.is_significant() && token.kind != TokenKind::Mark)
        .map(|token| (token.span.of(text), token.span))
        .collect();
    if !tokens.first()?.0.eq_ignore_ascii_case("SET") {
        return None;
    }
    tokens.iter().enumerate().skip(1).find_map(|(at, (word, span))| {
        let name = word.trim_start_matches('@').rsplit('.').next().unwrap_or_default().trim_matches('`');
        let behind = &tokens[at + 1..];
        let value = match behind.first()?.0 {
            "=" | ":=" => behind.get(1)?,
            to if to.eq_ignore_ascii_case("TO") => behind.get(1)?,
            _ => behind.first()?,
        };
        let value = value.0.trim_matches(['\'', '"']);
        let is = |names: &[&'static str]| names.iter().find(|known| name.eq_ignore_ascii_case(known)).copied();
        let off = ["off", "false", "no", "0", "f", "n", "of", "fa", "fal", "fals"];
        let strange = || HOLDS_ASCII.iter().any(|encoding| value.eq_ignore_ascii_case(encoding));
        let found = if flavour.dialect == Dialect::Postgres {
            is(&["standard_conforming_strings"])
                .filter(|_| off.iter().any(|word| value.eq_ignore_ascii_case(word)))
                .or_else(|| is(&["client_encoding", "NAMES"]).filter(|_| strange()))
        } else {
            let plain = behind.get(1).is_some_and(|value| value.0.starts_with(['\'', '"']));
            is(&["sql_mode"])
                .filter(|_| plain && reads_text(value, flavour) != flavour)
                .or_else(|| is(&["character_set_client", "NAMES", "SET", "CHARSET"]).filter(|_| strange()))
        };
        found.map(|name| (if name == "SET" { "CHARACTER SET" } else { name }, *span))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_move_the_end_of_a_text_are_found() {
        let found = |text: &str, dialect: Dialect| reads_otherwise(text, dialect.into()).map(|found| found.0);
        let postgres = |text: &str| found(text, Dialect::Postgres);
        for text in ["SET standard_conforming_strings = off", "set local Standard_Conforming_Strings to 'off'"] {
            assert_eq!(postgres(text), Some("standard_conforming_strings"), "{text}");
        }
        assert_eq!(postgres("SET NAMES 'SJIS'"), Some("NAMES"));
        assert_eq!(postgres("SET client_encoding = 'big5'"), Some("client_encoding"));
        for text in ["SET standard_conforming_strings = on", "SET client_encoding TO 'UTF8'", "SET a.b = 'off'"] {
            assert_eq!(postgres(text), None, "{text}");
        }
        let mysql = |text: &str| found(text, Dialect::Mysql);
        for text in ["SET sql_mode = 'ANSI'", "SET @a = 1, @@SESSION.sql_mode = 'X,NO_BACKSLASH_ESCAPES'"] {
            assert_eq!(mysql(text), Some("sql_mode"), "{text}");
        }
        assert_eq!(mysql("SET NAMES gbk"), Some("NAMES"));
        assert_eq!(mysql("SET CHARACTER SET 'sjis'"), Some("CHARACTER SET"));
        for text in [
            "SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO'",
            "SET sql_mode = @OLD_SQL_MODE",
            "SET sql_mode = ''",
            "SET NAMES utf8mb4",
            "UPDATE t SET sql_mode = 'ANSI'",
        ] {
            assert_eq!(mysql(text), None, "{text}");
        }
        let quotes = Flavour { ansi_quotes: true, ..Dialect::Mysql.into() };
        assert!(reads_otherwise("SET sql_mode = 'ANSI_QUOTES'", quotes).is_none());
        assert!(reads_otherwise("SET sql_mode = ''", quotes).is_some());
    }
}
