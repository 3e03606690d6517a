//! Constructs that the engines accept and the parser does not know.
//!
//! A statement that the parser rejects and that falls into one of these is a warning, not an error. Data only. Each
//! line is a dialect and words: those at the beginning of the statement and, behind `@`, those at the token where the
//! parser gave up, which must be one of them. `_` stands for any token. So a missing comma elsewhere in such a statement
//! is an error all the same.

use crate::config::Dialect::{self, Mariadb, Mysql, Postgres, Sqlite};
use crate::sql::lex::Lexer;

/// The known gaps, from measurements on public migrations.
pub const GAPS: &[(&[Dialect], &str)] = &[
    (&[Postgres], "DO"),
    (&[Postgres], "DROP INDEX CONCURRENTLY"),
    (&[Postgres], "CREATE TABLE @ , NOT NULL _"),
    (&[Postgres], "CREATE TABLE @ CONSTRAINT _ NOT NULL"),
    (&[Postgres], "ALTER TABLE @ ADD NOT NULL"),
    (&[Postgres], "ALTER TABLE @ CONSTRAINT _ NOT NULL"),
    (&[Postgres], "ALTER SEQUENCE"),
    (&[Postgres], "ALTER TRIGGER"),
    (&[Postgres], "ALTER FUNCTION"),
    (&[Postgres], "ALTER DOMAIN"),
    (&[Postgres], "ALTER DEFAULT PRIVILEGES"),
    (&[Postgres], "ALTER PUBLICATION"),
    (&[Postgres], "ALTER EXTENSION"),
    (&[Postgres], "ALTER INDEX IF EXISTS"),
    (&[Postgres], "ALTER TABLE @ SET STATISTICS"),
    (&[Postgres], "ALTER TABLE @ SET STORAGE"),
    (&[Postgres], "ALTER TABLE @ SET ("),
    (&[Postgres], "ALTER TABLE @ ATTACH PARTITION"),
    (&[Postgres], "ALTER TABLE @ DETACH PARTITION"),
    (&[Postgres], "CREATE SEQUENCE"),
    (&[Postgres], "CREATE STATISTICS"),
    (&[Postgres], "CREATE PUBLICATION"),
    (&[Postgres], "CREATE SUBSCRIPTION"),
    (&[Postgres], "CREATE AGGREGATE"),
    (&[Postgres], "CREATE FOREIGN"),
    (&[Postgres], "CREATE EVENT TRIGGER"),
    (&[Postgres], "CREATE RULE"),
    (&[Postgres], "CREATE TEXT SEARCH"),
    (&[Postgres], "CREATE EXTENSION @ SCHEMA"),
    (&[Postgres], "CREATE @ COST"),
    (&[Postgres], "CREATE @ COLLATE"),
    (&[Postgres], "COMMENT ON FUNCTION"),
    (&[Postgres], "COMMENT ON CONSTRAINT"),
    (&[Postgres], "COMMENT ON TRIGGER"),
    (&[Postgres], "COMMENT ON @ IS _"),
    (&[Postgres], "REINDEX"),
    (&[Postgres], "REFRESH"),
    (&[Postgres], "SECURITY LABEL"),
    (&[Mysql, Mariadb], "CREATE PROCEDURE"),
    (&[Mysql, Mariadb], "CREATE FUNCTION"),
    (&[Mysql, Mariadb], "CREATE EVENT"),
    (&[Mysql, Mariadb], "CREATE TRIGGER"),
    (&[Mysql, Mariadb], "CREATE DEFINER"),
    (&[Mysql, Mariadb], "CREATE OR REPLACE PROCEDURE"),
    (&[Mysql, Mariadb], "CREATE OR REPLACE FUNCTION"),
    (&[Mysql, Mariadb], "CREATE OR REPLACE TRIGGER"),
    (&[Mysql, Mariadb], "CREATE OR REPLACE DEFINER"),
    (&[Mysql, Mariadb], "CREATE FULLTEXT INDEX"),
    (&[Mysql, Mariadb], "CREATE SPATIAL INDEX"),
    (&[Mysql, Mariadb], "CREATE TABLE @ PARTITION BY"),
    (&[Mysql, Mariadb], "CREATE TABLE @ BINARY"),
    (&[Mysql, Mariadb], "CREATE TABLE @ CHARSET"),
    (&[Mysql, Mariadb], "CREATE TABLE @ CHARACTER SET"),
    (&[Mysql, Mariadb], "ALTER TABLE @ CONVERT TO"),
    (&[Mysql, Mariadb], "ALTER TABLE @ ENGINE"),
    (&[Mysql, Mariadb], "ALTER TABLE _ RENAME _"),
    (&[Mysql, Mariadb], "ALTER TABLE @ ADD PARTITION"),
    (&[Mysql, Mariadb], "ALTER TABLE @ DROP PARTITION"),
    (&[Mysql, Mariadb], "ALTER TABLE @ PARTITION BY"),
    (&[Mysql, Mariadb], "ALTER TABLE @ ROW_FORMAT"),
    (&[Mysql, Mariadb], "ALTER TABLE @ AUTO_INCREMENT"),
    (&[Mysql, Mariadb], "ALTER TABLE @ BINARY"),
    (&[Mysql, Mariadb], "ALTER TABLE @ CHARSET"),
    (&[Mysql, Mariadb], "ALTER TABLE @ CHARACTER SET"),
    (&[Mysql, Mariadb], "ALTER TABLE @ COMMENT"),
    (&[Mysql, Mariadb], "ALTER DATABASE"),
    (&[Mysql, Mariadb], "SET @ : ="),
    (&[Mysql, Mariadb], "PREPARE"),
    (&[Mysql, Mariadb], "EXECUTE"),
    (&[Mysql, Mariadb], "DEALLOCATE"),
    (&[Mysql, Mariadb], "LOAD DATA"),
    (&[Mariadb], "BEGIN NOT ATOMIC"),
    (&[Sqlite], "PRAGMA"),
    (&[Sqlite], "REINDEX"),
    (&[Sqlite], "VACUUM"),
    (&[Sqlite], "ANALYZE"),
    (&[Sqlite], "ATTACH"),
    (&[Sqlite], "DETACH"),
    (&[Sqlite], "CREATE TRIGGER IF"),
    (&[Sqlite], "CREATE TEMP TRIGGER"),
    (&[Sqlite], "CREATE TEMPORARY TRIGGER"),
    (&[Sqlite], "CREATE VIRTUAL TABLE"),
    (&[Sqlite], "@ IS _"),
    (&[Sqlite], "@ IS NOT _"),
    (&[Sqlite], "@ ["),
    (&[Sqlite], "CREATE TABLE @ CONSTRAINT"),
    (&[Sqlite], "CREATE TABLE @ FOREIGN KEY"),
    (&[Sqlite], "CREATE TABLE @ PRIMARY KEY ("),
    (&[Sqlite], "CREATE TABLE @ UNIQUE ("),
];

/// Returns the known gap that a statement falls into; `failed` is the byte where the parser gave up.
pub fn known_gap(text: &str, dialect: Dialect, failed: usize) -> Option<&'static str> {
    let mut words: Vec<String> = Vec::new();
    let mut at = 0;
    let significant = Lexer::new(text, dialect).filter(|token| token.kind.is_significant());
    for token in significant.take(200_000) {
        if token.span.start <= failed {
            at = words.len();
        }
        let word = token.span.of(text);
        words.push(if word.starts_with('[') { "[".to_owned() } else { word.to_ascii_uppercase() });
    }
    GAPS.iter()
        .filter(|(dialects, _)| dialects.contains(&dialect))
        .map(|(_, gap)| *gap)
        .find(|gap| holds(&words, at, gap))
}

/// Says whether the words begin with the gap's and, where it names a place, have its words at the token `at`.
fn holds(words: &[String], at: usize, gap: &str) -> bool {
    let (head, place) = gap.split_once('@').unwrap_or((gap, ""));
    let fits = |words: &[String], wanted: &[&str]| {
        words.len() >= wanted.len() && wanted.iter().zip(words).all(|(wanted, word)| *wanted == "_" || wanted == word)
    };
    let head: Vec<&str> = head.split_whitespace().collect();
    let place: Vec<&str> = place.split_whitespace().collect();
    let first = (at + 1).saturating_sub(place.len());
    fits(words, &head) && (place.is_empty() || (first..=at).any(|start| fits(&words[start.min(words.len())..], &place)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::split::split;
    use crate::sql::verdict::{Verdict, judge};

    fn verdict(text: &str, dialect: Dialect) -> Verdict {
        judge(text, &split(text, dialect)[0], dialect)
    }

    #[test]
    fn a_missing_comma_is_an_error_in_every_dialect() {
        for dialect in Dialect::ALL {
            let table =
                "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL note TEXT, CONSTRAINT c UNIQUE (id))";
            assert!(matches!(verdict(table, dialect), Verdict::Rejected { .. }), "{dialect:?}");
            let change = "ALTER TABLE t ADD COLUMN a INT NOT NULL b INT";
            assert!(matches!(verdict(change, dialect), Verdict::Rejected { .. }), "{dialect:?}");
            let typo = "CREATE TABEL t (id INTEGER)";
            assert!(matches!(verdict(typo, dialect), Verdict::Rejected { .. }), "{dialect:?}");
        }
    }

    #[test]
    fn what_the_parser_is_known_not_to_know_is_not_an_error() {
        for (dialect, text) in [
            (Postgres, "DO $$ BEGIN PERFORM 1; END $$"),
            (Postgres, "DROP INDEX CONCURRENTLY i"),
            (Postgres, "CREATE TABLE t (id int, NOT NULL id)"),
            (Postgres, "ALTER TABLE t ALTER COLUMN a SET STATISTICS 100"),
            (Mysql, "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4"),
            (Mysql, "ALTER TABLE t RENAME KEY a TO b"),
            (Mariadb, "CREATE TABLE t (id int) PARTITION BY HASH (id) PARTITIONS 4"),
            (Sqlite, "PRAGMA foreign_keys = off"),
            (Sqlite, "CREATE TABLE t (a INT, b INT NOT NULL FOREIGN KEY (a) REFERENCES u (id))"),
            (Sqlite, "SELECT * FROM t WHERE a IS b"),
        ] {
            let verdict = verdict(text, dialect);
            assert!(!matches!(verdict, Verdict::Rejected { .. } | Verdict::TooDeep { .. }), "{text}: {verdict:?}");
        }
    }
}
