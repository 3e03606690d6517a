//! Statements that cannot share a transaction with a record of themselves.
//!
//! Read from the words of the statement, so comments and literals never count. Knows which statements each engine
//! refuses inside of a transaction, or lets end one. Refuses to know what they do.

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::sql::facts::{Purpose, head};
use crate::sql::lex::{Lexer, TokenKind};
use crate::text::begins;

/// How many bytes of a statement say how it runs.
const LONGEST_HEAD: usize = 4096;

/// Says whether a statement must run outside of any transaction.
///
/// PostgreSQL: what calls `PreventInTransactionBlock` in its source. SQLite: VACUUM, and pragmas that do nothing inside
/// of a transaction (its documentation). MySQL and MariaDB: everything that commits by itself, and that is everything
/// but changes of rows, questions and settings of the session (manual, "Statements That Cause an Implicit Commit").
pub fn alone(text: &str, flavour: impl Into<Flavour>) -> bool {
    let flavour = flavour.into();
    // Most statements of a large file change rows, and no engine lets these run alone.
    if !flavour.is_mysql() && ["INSERT", "UPDATE", "DELETE", "SELECT"].iter().any(|word| begins(text, word)) {
        return false;
    }
    let end = (0..=text.len().min(LONGEST_HEAD)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let upper = text[..end].to_ascii_uppercase();
    let words: Vec<&str> = Lexer::new(text, flavour)
        .filter(|token| token.kind.is_significant())
        .take(40)
        .take_while(|token| token.span.end <= end)
        .map(|token| match (token.kind, token.span.of(&upper)) {
            (TokenKind::Word, word) => word,
            (_, "(") => "'(",
            (_, ".") => "'.",
            (_, ",") => "',",
            (_, "=") => "'=",
            (_, "@") => "'@",
            _ => "'",
        })
        .collect();
    match flavour.dialect {
        Dialect::Postgres => postgres(&words),
        Dialect::Sqlite => sqlite(&words),
        Dialect::Mysql | Dialect::Mariadb => mysql(text, flavour, &words),
    }
}

fn sqlite(words: &[&str]) -> bool {
    match words {
        ["VACUUM", ..] => true,
        ["PRAGMA", rest @ ..] => {
            let name = if rest.get(1) == Some(&"'.") { rest.get(2) } else { rest.first() };
            if name == Some(&"WAL_CHECKPOINT") {
                return true;
            }
            let sets = rest.iter().any(|word| matches!(*word, "'=" | "'("));
            sets && matches!(name, Some(&("JOURNAL_MODE" | "SYNCHRONOUS")))
        }
        _ => false,
    }
}

fn postgres(words: &[&str]) -> bool {
    // Words of an index or table definition that could be names stand behind the first parenthesis or much later.
    let head: Vec<&str> = words.iter().copied().take_while(|word| *word != "'(").collect();
    let concurrently = head.contains(&"CONCURRENTLY");
    match head.as_slice() {
        ["CREATE", "INDEX", "CONCURRENTLY", ..]
        | ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", ..]
        | ["DROP", "INDEX", "CONCURRENTLY", ..]
        | ["CREATE" | "DROP", "DATABASE" | "TABLESPACE", ..]
        | ["ALTER", "DATABASE", _, "SET", "TABLESPACE", ..]
        | ["CREATE" | "DROP" | "ALTER", "SUBSCRIPTION", ..]
        | ["ALTER", "SYSTEM", ..]
        | ["VACUUM", ..]
        | ["REINDEX", "DATABASE" | "SYSTEM" | "SCHEMA", ..]
        | ["CLUSTER"]
        | ["CLUSTER", "VERBOSE"]
        | ["DISCARD", "ALL"] => true,
        ["REINDEX", ..] => {
            concurrently
                || words.iter().take(12).any(|word| {
                    *word == "CONCURRENTLY" || *word == "SCHEMA" || *word == "DATABASE" || *word == "SYSTEM"
                })
        }
        ["ALTER", "TABLE", ..] => concurrently && head.windows(2).any(|pair| pair == ["DETACH", "PARTITION"]),
        _ => false,
    }
}

/// Settings of MySQL and MariaDB that cannot be made inside of a transaction.
const OUTSIDE: [&str; 14] = [
    "BINLOG_DIRECT_NON_TRANSACTIONAL_UPDATES",
    "BINLOG_FORMAT",
    "BINLOG_TRANSACTION_COMPRESSION",
    "GTID_DOMAIN_ID",
    "GTID_NEXT",
    "GTID_PURGED",
    "GTID_SEQ_NO",
    "PSEUDO_REPLICA_MODE",
    "PSEUDO_SLAVE_MODE",
    "SESSION_TRACK_GTIDS",
    "SKIP_REPLICATION",
    "SQL_LOG_BIN",
    "WSREP_ON",
    "XA_DETACH_ON_PREPARE",
];

fn mysql(text: &str, flavour: Flavour, words: &[&str]) -> bool {
    let head = head(text, flavour);
    match head.verb.as_str() {
        "SET" => {
            let first = |word: &&str| matches!(*word, "PASSWORD" | "ROLE" | "DEFAULT" | "STATEMENT");
            // The first of two signs before a variable of the system is a symbol of its own.
            let begins = |at: usize| at == 0 || words[at] == "',";
            let target = |at: usize| begins(at - 1) || at > 1 && words[at - 1] == "'@" && begins(at - 2);
            // What the log of changes has is not said inside of a transaction, and its isolation neither (manual).
            let log = |word: &&str| {
                let name = word.trim_start_matches('@').rsplit('.').next().unwrap_or_default();
                OUTSIDE.contains(&name)
            };
            words.iter().take(4).any(first)
                || words.get(1) == Some(&"TRANSACTION")
                || words.iter().enumerate().skip(1).any(|(at, word)| log(word) && words.get(at + 1) == Some(&"'="))
                || words.iter().enumerate().skip(1).any(|(at, word)| {
                    let word = word.trim_start_matches('@');
                    target(at) && (word.starts_with("GLOBAL") || word.starts_with("PERSIST"))
                })
        }
        "SELECT" | "VALUES" | "(" | "DO" | "SHOW" | "EXPLAIN" | "DESCRIBE" | "DESC" => false,
        "LOAD" => true,
        _ => head.purpose(flavour.dialect) != Purpose::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_engines_refuse_in_transactions_runs_alone() {
        let yes = [
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "CREATE UNIQUE INDEX /* now */ CONCURRENTLY IF NOT EXISTS i ON t (a)",
            "DROP INDEX CONCURRENTLY IF EXISTS i",
            "REINDEX TABLE CONCURRENTLY t",
            "REINDEX (VERBOSE, CONCURRENTLY) INDEX i",
            "VACUUM FULL t",
            "ALTER SYSTEM SET work_mem = '1MB'",
            "CREATE DATABASE d",
            "ALTER DATABASE d SET TABLESPACE fast",
            "ALTER TABLE IF EXISTS ONLY long_schema.t DETACH PARTITION long_schema.p CONCURRENTLY",
        ];
        let no = [
            "CREATE INDEX i ON t (a) -- CONCURRENTLY",
            "INSERT INTO t VALUES ('CREATE INDEX CONCURRENTLY')",
            "CREATE INDEX \"CONCURRENTLY\" ON t (a)",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
            "ALTER TABLE t DETACH PARTITION p",
            "REINDEX TABLE t",
            "ALTER DATABASE d SET work_mem = '1MB'",
            "ALTER TABLESPACE fast OWNER TO o",
            "CREATE TABLE concurrently (a INT)",
        ];
        for text in yes {
            assert!(alone(text, Dialect::Postgres), "{text}");
        }
        for text in no {
            assert!(!alone(text, Dialect::Postgres), "{text}");
        }
    }

    #[test]
    fn only_changes_of_rows_share_a_transaction_in_mysql() {
        for text in [
            "INSERT INTO t VALUES (1)",
            "WITH a AS (SELECT 1) SELECT 1",
            "SET @a = @@GLOBAL.x",
            "SET @a = 1",
            "DELETE FROM t",
        ] {
            assert!(!alone(text, Dialect::Mariadb), "{text}");
        }
        for text in [
            "CREATE TABLE t (a INT)",
            "TRUNCATE t",
            "CALL p()",
            "SET GLOBAL x = 1",
            "SET @@GLOBAL.x = 1",
            "SET a = 1, b = 2, @@global.x = 1",
            "LOCK TABLES t WRITE",
            "ANALYZE TABLE t",
        ] {
            assert!(alone(text, Dialect::Mysql), "{text}");
        }
    }

    #[test]
    fn pragmas_that_do_nothing_in_a_transaction_run_alone() {
        assert!(alone("PRAGMA main.journal_mode = WAL", Dialect::Sqlite));
        assert!(!alone("PRAGMA journal_mode", Dialect::Sqlite));
        assert!(!alone("PRAGMA foreign_keys = ON", Dialect::Sqlite));
    }
}
