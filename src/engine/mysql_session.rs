//! What a session of MySQL or MariaDB would have in the server's own client, and what puts it back to that.
//!
//! Refuses to run scripts.

use std::borrow::Cow;
use std::time::Duration;

use crate::config::Dialect;
use crate::engine::Terms;
use crate::engine::mysql::Mysql;
use crate::engine::record::{Writer, cells, text};
use crate::engine::tables::MIGRATION;
use crate::history::Row;
use crate::sql::lex::{Lexer, Token, TokenKind};
use crate::text::begins;

impl Mysql {
    /// Questions get all of their rows; nothing takes rights away from a session here.
    pub(super) fn as_our_own<'s>(&self, sql: &'s str) -> Cow<'s, str> {
        unlimited(sql, self.dialect)
    }

    /// The name of the database.
    pub(super) fn schema(&self) -> String {
        let quoted = self.prefix.trim_end_matches('.');
        quoted.get(1..quoted.len() - 1).unwrap_or_default().replace("``", "`")
    }

    /// What puts the session back to what the server's client would have, under the terms of a script.
    pub(super) fn settings(&self, terms: &Terms) -> String {
        let seconds = |duration: Duration| duration.as_secs().max(1);
        let mut list = vec![
            "SESSION sql_mode = @@GLOBAL.sql_mode".to_owned(),
            "SESSION time_zone = @@GLOBAL.time_zone".to_owned(),
            "SESSION foreign_key_checks = 1".to_owned(),
            "SESSION unique_checks = 1".to_owned(),
            "SESSION autocommit = 1".to_owned(),
            "SESSION wait_timeout = 28800".to_owned(),
        ];
        // What an earlier file asked for ends with it.
        let or_global = |name: &str, value: Option<String>| {
            format!("SESSION {name} = {}", value.unwrap_or_else(|| format!("@@GLOBAL.{name}")))
        };
        let lock = terms.lock_timeout.map(|timeout| seconds(timeout).to_string());
        list.push(or_global("lock_wait_timeout", lock.clone()));
        list.push(or_global("innodb_lock_wait_timeout", lock));
        let statement = terms.statement_timeout;
        list.push(if self.dialect == Dialect::Mariadb {
            or_global("max_statement_time", statement.map(|timeout| format!("{:.3}", timeout.as_secs_f64())))
        } else {
            or_global("max_execution_time", statement.map(|timeout| timeout.as_millis().to_string()))
        });
        list.extend(self.session.iter().map(|setting| format!("SESSION {setting}")));
        format!("SET NAMES utf8mb4; SET {}; USE {}", list.join(", "), self.prefix.trim_end_matches('.'))
    }
}

/// A question that gets all of its rows, whatever `sql_select_limit` says: that is for those without a limit. One of the server
/// file may end in any way; it stays as it is where nothing can be put behind it.
fn unlimited(sql: &str, dialect: Dialect) -> Cow<'_, str> {
    const ENDS: [&str; 6] = ["LIMIT", "INTO", "FOR", "FETCH", "LOCK", "PROCEDURE"];
    if !begins(sql, "SELECT ") {
        return Cow::Borrowed(sql);
    }
    let mut depth = 0_usize;
    let ends = |token: Token| {
        let shown = token.span.of(sql);
        match shown {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let word = token.kind == TokenKind::Word && depth == 0;
        shown == ";" || word && ENDS.iter().any(|end| end.eq_ignore_ascii_case(shown))
    };
    let comments = ["--", "#", "/*"].iter().any(|sign| sql.contains(sign));
    if comments || Lexer::new(sql, dialect).any(ends) {
        return Cow::Borrowed(sql);
    }
    Cow::Owned(format!("{sql} LIMIT {}", u64::MAX))
}

/// A setting of the server file; numbers and words such as ON stand as they are.
pub(super) fn setting(name: &str, value: &str, dialect: Dialect) -> String {
    let plain =
        !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    let value = if plain { value.to_owned() } else { text(value, dialect) };
    format!("`{}` = {value}", name.replace('`', "``"))
}

/// The code of what has no value and needs one (manual, "Server Error Message Reference").
pub(super) const NO_NUMBER: &str = "1048";

/// The statement that writes a row of the history in nobody's place, if `condition` holds. A row of values costs these servers
/// half of what one of a SELECT does; without the condition it has no number, and is refused whatever `sql_mode` says, as it
/// is a single one (manual, "INSERT Statement"). For conditions that hold on a replica too, which runs the statement as well.
pub(super) fn insertion(writer: &Writer, row: &Row, condition: &str) -> String {
    let values: Vec<String> = cells(row).iter().skip(1).map(|cell| writer.literal(cell)).collect();
    format!(
        "INSERT INTO {} ({}) VALUES (CASE WHEN {condition} THEN {} END, {})",
        writer.table(MIGRATION.name),
        MIGRATION.names(),
        row.seq,
        values.join(", ")
    )
}

/// The lock's name: locks belong to the server, so the name carries the database; it has at most 64 characters. `folds` says
/// that the server takes names of databases for equal that differ in case only (manual, "lower_case_table_names").
pub(super) fn lock_name(database: &str, folds: bool) -> String {
    use sha2::{Digest as _, Sha256};
    let database = if folds { database.to_lowercase() } else { database.to_owned() };
    format!("schemagate:{}", &crate::finding::hex(&Sha256::digest(database.as_bytes()))[..40])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_gets_a_limit_where_it_can_have_one() {
        let limited = |sql: &str| unlimited(sql, Dialect::Mysql).into_owned();
        for sql in ["SELECT GET_LOCK('a', 0)", "SELECT 1 FROM `lock` WHERE (SELECT 1 LIMIT 1) = 'no limit; none'"] {
            assert_eq!(limited(sql), format!("{sql} LIMIT 18446744073709551615"));
        }
        let as_they_are = [
            "SELECT name FROM t\nLIMIT 5",
            "select name from t for update",
            "SELECT name FROM t; -- all",
            "SELECT name FROM t # all",
            "SHOW WARNINGS",
            "UPDATE t SET a = 1",
        ];
        assert!(as_they_are.iter().all(|sql| limited(sql) == *sql));
    }
}
