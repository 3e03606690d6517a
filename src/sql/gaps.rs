//! Constructs that the engines accept and the parser does not know.
//!
//! A statement that the parser rejects and that holds one of these is a warning, not an error. Data only. Each line
//! is a dialect and words that must follow each other in this order, with anything between them where `..` stands.

use crate::config::Dialect::{self, Mariadb, Mysql, Postgres, Sqlite};
use crate::sql::lex::{Lexer, TokenKind};

/// The known gaps, from measurements on public migrations.
pub const GAPS: &[(&[Dialect], &str)] = &[
    (&[Postgres], "DO"),
    (&[Postgres], "DROP INDEX CONCURRENTLY"),
    (&[Postgres], "CREATE TABLE .. NOT NULL"),
    (&[Postgres], "ALTER TABLE .. ADD .. NOT NULL"),
    (&[Postgres], "ALTER SEQUENCE"),
    (&[Postgres], "ALTER TRIGGER"),
    (&[Postgres], "ALTER FUNCTION"),
    (&[Postgres], "ALTER DOMAIN"),
    (&[Postgres], "ALTER DEFAULT PRIVILEGES"),
    (&[Postgres], "ALTER PUBLICATION"),
    (&[Postgres], "ALTER EXTENSION"),
    (&[Postgres], "ALTER INDEX IF EXISTS"),
    (&[Postgres], "ALTER TABLE .. SET STATISTICS"),
    (&[Postgres], "ALTER TABLE .. SET STORAGE"),
    (&[Postgres], "ALTER TABLE .. SET ("),
    (&[Postgres], "ALTER TABLE .. ATTACH PARTITION"),
    (&[Postgres], "ALTER TABLE .. DETACH PARTITION"),
    (&[Postgres], "CREATE SEQUENCE"),
    (&[Postgres], "CREATE STATISTICS"),
    (&[Postgres], "CREATE PUBLICATION"),
    (&[Postgres], "CREATE SUBSCRIPTION"),
    (&[Postgres], "CREATE AGGREGATE"),
    (&[Postgres], "CREATE FOREIGN"),
    (&[Postgres], "CREATE EVENT TRIGGER"),
    (&[Postgres], "CREATE RULE"),
    (&[Postgres], "CREATE EXTENSION"),
    (&[Postgres], "CREATE FUNCTION .. COST"),
    (&[Postgres], "CREATE OR REPLACE FUNCTION"),
    (&[Postgres], "CREATE .. COLLATE"),
    (&[Postgres], "CREATE TEXT SEARCH"),
    (&[Postgres], "COMMENT ON"),
    (&[Postgres], "REINDEX"),
    (&[Postgres], "REFRESH"),
    (&[Postgres], "SECURITY LABEL"),
    (&[Mysql, Mariadb], "CREATE .. PROCEDURE"),
    (&[Mysql, Mariadb], "CREATE .. FUNCTION"),
    (&[Mysql, Mariadb], "CREATE .. EVENT"),
    (&[Mysql, Mariadb], "CREATE .. TRIGGER"),
    (&[Mysql, Mariadb], "CREATE FULLTEXT INDEX"),
    (&[Mysql, Mariadb], "CREATE SPATIAL INDEX"),
    (&[Mysql, Mariadb], "CREATE TABLE"),
    (&[Mysql, Mariadb], "ALTER TABLE"),
    (&[Mysql, Mariadb], "ALTER DATABASE"),
    (&[Mysql, Mariadb], "SET"),
    (&[Mysql, Mariadb], "PREPARE"),
    (&[Mysql, Mariadb], "EXECUTE"),
    (&[Mysql, Mariadb], "DEALLOCATE"),
    (&[Mysql, Mariadb], "LOAD DATA"),
    (&[Mariadb], "BEGIN NOT ATOMIC"),
    (&[Sqlite], "PRAGMA"),
    (&[Sqlite], "REINDEX"),
    (&[Sqlite], "VACUUM"),
    (&[Sqlite], "ATTACH"),
    (&[Sqlite], "DETACH"),
    (&[Sqlite], "ANALYZE"),
    (&[Sqlite], "CREATE TRIGGER"),
    (&[Sqlite], "CREATE TEMP TRIGGER"),
    (&[Sqlite], "CREATE TEMPORARY TRIGGER"),
    (&[Sqlite], "CREATE VIRTUAL TABLE"),
    (&[Sqlite], ".. IS"),
    (&[Sqlite], ".. ["),
    (&[Sqlite], "CREATE TABLE .. CONSTRAINT"),
    (&[Sqlite], "CREATE TABLE .. FOREIGN KEY"),
    (&[Sqlite], "CREATE TABLE .. PRIMARY KEY"),
    (&[Sqlite], "CREATE TABLE .. UNIQUE ("),
];

/// Returns the known gap that a statement falls into.
pub fn known_gap(text: &str, dialect: Dialect) -> Option<&'static str> {
    let words: Vec<String> = Lexer::new(text, dialect)
        .filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::Symbol | TokenKind::QuotedName))
        .take(20_000)
        .map(|token| match token.span.of(text) {
            name if name.starts_with('[') => "[".to_owned(),
            word => word.to_ascii_uppercase(),
        })
        .collect();
    GAPS.iter().filter(|(dialects, _)| dialects.contains(&dialect)).map(|(_, gap)| *gap).find(|gap| holds(&words, gap))
}

/// Says whether the words hold the gap's words: its first group at the beginning, the others in order after it.
fn holds(words: &[String], gap: &str) -> bool {
    let mut rest = words;
    for (number, group) in gap.split("..").enumerate() {
        let group: Vec<&str> = group.split_whitespace().collect();
        let matches_at = |at: usize| rest[at..].iter().zip(&group).filter(|(a, b)| a == b).count() == group.len();
        let last = if number == 0 { 0 } else { rest.len().saturating_sub(group.len()) };
        if rest.len() < group.len() {
            return false;
        }
        let Some(at) = (0..=last).find(|at| matches_at(*at)) else { return false };
        rest = &rest[at + group.len()..];
    }
    true
}
