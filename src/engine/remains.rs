//! What statements leave in their session, and how a new session gets it again.
//!
//! Asked when a journal goes on in another session than the one in which it began: settings that are plain values are
//! made again; whatever else the remaining statements would miss is named. Refuses to guess values.

use std::collections::BTreeSet;

use crate::config::Dialect;
use crate::engine::ScriptStatement;
use crate::engine::words::Words;
use crate::text::holds_any;

/// What a new session lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// The statement (from 0) that made it.
    pub(super) statement: usize,
    /// What it is.
    pub(super) what: String,
}

/// Functions whose answer depends on nothing but what they are given.
const PURE: [&str; 5] = ["CONCAT", "REPLACE", "IF", "IFNULL", "COALESCE"];
/// What tells about the statement before.
const OF_THE_LAST: [&str; 8] = [
    "LAST_INSERT_ID",
    "ROW_COUNT",
    "FOUND_ROWS",
    "LASTVAL",
    "CURRVAL",
    "LAST_INSERT_ROWID",
    "CHANGES",
    "TOTAL_CHANGES",
];
/// Parts of names whose value is not that of another moment or session.
const OF_THE_MOMENT: [&str; 9] = [
    "CURRENT_",
    "UTC_",
    "LOCALTIME",
    "SESSION_USER",
    "LAST_INSERT_ID",
    "IDENTITY",
    "INSERT_ID",
    "GLOBAL.",
    "WARNING_COUNT",
];

/// Finds the statements among the first `done` that a new session must run again before the others.
///
/// # Errors
/// What cannot be made again although the others use it.
pub(super) fn again(statements: &[ScriptStatement], done: usize, dialect: Dialect) -> Result<Vec<usize>, Missing> {
    let (behind, ahead) = statements.split_at(done.min(statements.len()));
    let dropped = |name: &str, after: usize| {
        behind[after..].iter().any(|statement| {
            let words = Words::of(&statement.text, dialect);
            words.peek("DROP") && words.later(name)
        })
    };
    let ahead: Vec<Words> = ahead.iter().map(|statement| Words::of(&statement.text, dialect)).collect();
    let uses =
        |name: &str| ahead.iter().any(|words| words.list.iter().any(|(word, _)| word.eq_ignore_ascii_case(name)));
    let mut found = Vec::new();
    // Variables whose value is not known.
    let mut unknown: BTreeSet<String> = BTreeSet::new();
    for (number, statement) in behind.iter().enumerate() {
        let missing = |what: &str| Missing { statement: number, what: what.to_owned() };
        let words = Words::of(&statement.text, dialect);
        match left(words, dialect, &unknown) {
            Left::Nothing => {}
            Left::Setting => found.push(number),
            Left::Computed => return Err(missing("a setting whose value was computed")),
            Left::Named(name, what) if uses(&name) && !dropped(&name, number + 1) => {
                return Err(missing(&format!("{what} {name}")));
            }
            Left::Used(words, what) if words.iter().any(|word| uses(word)) => return Err(missing(what)),
            Left::Named(..) | Left::Used(..) => {}
            Left::Variables(names) => {
                // A routine may use what it was not given.
                let calls = ahead.iter().any(|words| ["CALL", "EXECUTE", "BEGIN"].iter().any(|verb| words.peek(verb)));
                if let Some(name) = names.iter().find(|name| calls || uses(name)) {
                    return Err(missing(&format!("the variable {name}")));
                }
                unknown.extend(names);
            }
        }
    }
    if let Some(word) = told_by_the_last(&ahead).filter(|_| done > 0) {
        return Err(Missing { statement: done - 1, what: format!("the value of {word}") });
    }
    Ok(found)
}

/// What one statement leaves.
enum Left {
    Nothing,
    /// Settings that can be made again.
    Setting,
    /// Settings whose value came out of a query or a function.
    Computed,
    /// A thing of this name and kind.
    Named(String, &'static str),
    /// Something that statements with these words use.
    Used(&'static [&'static str], &'static str),
    /// Variables with values that are not known.
    Variables(Vec<String>),
}

fn left(mut words: Words, dialect: Dialect, unknown: &BTreeSet<String>) -> Left {
    let mysql = matches!(dialect, Dialect::Mysql | Dialect::Mariadb);
    if words.take(&["SET"]) {
        return set(&words, mysql, unknown);
    }
    if words.peek("RESET") || words.peek("USE") {
        return Left::Setting;
    }
    if dialect == Dialect::Sqlite && words.peek("PRAGMA") {
        return Left::Setting;
    }
    let hidden = |(word, _): &(String, bool)| word.len() > 12 && word.to_ascii_lowercase().contains("set_config");
    if words.list.iter().any(hidden) && !words.peek("CREATE") {
        return Left::Computed;
    }
    if words.later("set_config") {
        return if config_of_literals(&mut words) { Left::Setting } else { Left::Computed };
    }
    if words.peek("PREPARE") {
        return Left::Used(&["EXECUTE", "DEALLOCATE"], "a prepared statement");
    }
    if words.peek("DECLARE") {
        return Left::Used(&["FETCH", "MOVE", "CLOSE"], "a cursor");
    }
    let temporary = words.later("TEMPORARY") || words.later("TEMP") || words.later("pg_temp");
    if temporary && (words.peek("CREATE") || words.peek("SELECT")) {
        return temporary_table(words).map_or(Left::Nothing, |name| Left::Named(name, "the temporary table"));
    }
    // A routine, a query into variables and an assignment inside of a statement give variables values.
    let gives = words.list.windows(2).any(|pair| pair[0].0 == ":" && pair[1].0 == "=");
    let calls = words.peek("CALL") || words.peek("EXECUTE") || words.peek("BEGIN");
    if mysql && (gives || calls || words.later("INTO")) {
        return Left::Variables(variables(&words));
    }
    Left::Nothing
}

fn set(words: &Words, mysql: bool, unknown: &BTreeSet<String>) -> Left {
    let lasting = ["GLOBAL", "PERSIST", "PERSIST_ONLY", "PASSWORD", "STATEMENT", "LOCAL", "TRANSACTION", "CONSTRAINTS"];
    let first = |word: &&str| words.peek(word);
    // LOCAL means the session in MySQL, and the transaction in PostgreSQL.
    if lasting.iter().any(|word| first(word) && !(mysql && *word == "LOCAL")) || words.peek("DEFAULT") {
        return Left::Nothing;
    }
    let called = |pair: &[(String, bool)]| pair[1].0 == "(" && !pair[1].1 && !is_pure(&pair[0].0);
    let moment = |(word, quoted): &(String, bool)| {
        let word = word.to_ascii_uppercase();
        !quoted && OF_THE_MOMENT.iter().any(|part| word.contains(part))
    };
    let computes = words.list.iter().any(moment) || words.later("SELECT") || words.list.windows(2).any(called);
    let names = variables(words);
    if !computes && !names.iter().any(|name| unknown.contains(name)) {
        return Left::Setting;
    }
    // Only variables of users can be left out where nothing uses them.
    let plain = words.list.get(words.at).is_some_and(|(word, _)| word.starts_with('@') && !word.starts_with("@@"));
    let settings = words.list.iter().any(|(word, _)| word == ",") || !plain;
    if settings { Left::Computed } else { Left::Variables(names) }
}

fn is_pure(word: &str) -> bool {
    PURE.iter().any(|pure| word.eq_ignore_ascii_case(pure)) || ["=", ",", "("].contains(&word)
}

/// The variables of users that a statement names.
fn variables(words: &Words) -> Vec<String> {
    let names = words.list.iter().filter(|(word, _)| word.starts_with('@') && !word.starts_with("@@"));
    names.map(|(word, _)| word.to_ascii_lowercase()).collect()
}

/// `SELECT set_config('name', 'value', false)` and nothing else.
fn config_of_literals(words: &mut Words) -> bool {
    let call = words.take(&["SELECT"]) && {
        words.take(&["pg_catalog", "."]);
        words.take(&["set_config", "("])
    };
    let rest: Vec<&str> = words.list[words.at..].iter().map(|(word, _)| word.as_str()).collect();
    call && matches!(rest.as_slice(), [name, ",", value, ",", _, ")"] if name.starts_with('\'') && value.starts_with('\''))
}

/// The name behind `TEMPORARY TABLE` and its like.
fn temporary_table(mut words: Words) -> Option<String> {
    while !(words.any(&["TEMPORARY", "TEMP"]) || words.take(&["pg_temp", "."])) {
        words.at += 1;
        words.list.get(words.at)?;
    }
    words.any(&["TABLE", "VIEW", "SEQUENCE"]);
    words.take(&["IF", "NOT", "EXISTS"]);
    Some(words.qualified()?.1)
}

/// Says whether statements may ask about one before the first of them: those of a file begin in a session that was told
/// nothing. Rather one too many: it costs a new session.
pub(super) fn ask_about_before(statements: &[ScriptStatement]) -> bool {
    const MORE: [&str; 5] = ["previous value", "identity", "insert_id", "warning_count", "error_count"];
    let asks = |text: &str| holds_any(text, &OF_THE_LAST, false) || holds_any(text, &MORE, false);
    statements.iter().any(|statement| asks(&statement.text))
}

/// A word that asks about a statement before, where the first statements ahead have it.
fn told_by_the_last(ahead: &[Words]) -> Option<&'static str> {
    for words in ahead {
        let called = |at: usize, word: &str| {
            let shown =
                |at: usize| words.list.get(at).filter(|(_, quoted)| !quoted).map_or("", |(shown, _)| shown.as_str());
            // A table may be called like one.
            let named = at > 0
                && ["INTO", "TABLE", "EXISTS", "REFERENCES", "ON"]
                    .iter()
                    .any(|before| shown(at - 1).eq_ignore_ascii_case(before));
            shown(at).eq_ignore_ascii_case(word) && shown(at + 1) == "(" && !named
        };
        if let Some(word) = OF_THE_LAST.into_iter().find(|word| (0..words.list.len()).any(|at| called(at, word))) {
            return Some(word);
        }
        if ["INSERT", "REPLACE"].iter().any(|verb| words.peek(verb)) {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(texts: &[&str], done: usize, dialect: Dialect) -> String {
        let statement = |text: &&str| ScriptStatement { text: (*text).to_owned(), ..ScriptStatement::default() };
        let statements: Vec<ScriptStatement> = texts.iter().map(statement).collect();
        match again(&statements, done, dialect) {
            Ok(numbers) => format!("{numbers:?}"),
            Err(missing) => format!("{} {}", missing.statement, missing.what),
        }
    }

    #[test]
    fn plain_settings_are_made_again_and_what_else_is_missed_is_named() {
        let of_mysql: [(&[&str], &str); 17] = [
            (&["SET foreign_key_checks = 0", "DROP TABLE a"], "[0]"),
            (&["SET @old = @@sql_mode, sql_mode = ''", "DROP TABLE a"], "[0]"),
            (&["SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')", "DROP TABLE a"], "[0]"),
            (&["SET GLOBAL max_connections = 5", "DROP TABLE a"], "[]"),
            (&["SET @n = (SELECT max(id) FROM a)", "INSERT INTO b VALUES (@n)"], "0 the variable @n"),
            (&["SET @n = (SELECT max(id) FROM a)", "DROP TABLE a"], "[]"),
            (&["SET time_zone = (SELECT tz FROM a)", "DROP TABLE a"], "0 a setting whose value was computed"),
            (&["SELECT max(id) INTO @n FROM a", "INSERT INTO b VALUES (@N)"], "0 the variable @n"),
            (&["SELECT @n := max(id) FROM a", "INSERT INTO b VALUES (@n)"], "0 the variable @n"),
            (&["CALL p(@n)", "INSERT INTO b VALUES (@n)"], "0 the variable @n"),
            (&["CREATE TEMPORARY TABLE t (a INT)", "INSERT INTO b SELECT * FROM `t`"], "0 the temporary table t"),
            (&["CREATE TEMPORARY TABLE t (a INT)", "DROP TABLE a"], "[]"),
            (&["PREPARE s FROM 'SELECT 1'", "EXECUTE s"], "0 a prepared statement"),
            (&["USE shop", "DROP TABLE a"], "[0]"),
            (&["INSERT INTO a VALUES (1)", "INSERT INTO b VALUES (LAST_INSERT_ID())"], "0 the value of LAST_INSERT_ID"),
            (&["DROP TABLE a", "INSERT INTO a VALUES (1)"], "[]"),
            (&["CREATE TABLE a (id INT)", "SET @a = 1"], "[]"),
        ];
        for (texts, expected) in of_mysql {
            assert_eq!(shown(texts, 1, Dialect::Mariadb), expected, "{texts:?}");
        }
        let twice = ["SELECT 1 INTO @a", "SET @b = @a", "INSERT INTO t VALUES (@b)"];
        assert_eq!(shown(&twice, 2, Dialect::Mysql), "1 the variable @b");
    }

    #[test]
    fn postgres_settings_of_a_transaction_ended_with_it() {
        let of_postgres: [(&[&str], &str); 7] = [
            (&["SET search_path = a, b", "VACUUM"], "[0]"),
            (&["RESET search_path", "VACUUM"], "[0]"),
            (&["SET LOCAL search_path = a", "VACUUM"], "[]"),
            (&["SELECT pg_catalog.set_config('search_path', '', false)", "VACUUM"], "[0]"),
            (&["SELECT set_config('a.b', max(x), false) FROM t", "VACUUM"], "0 a setting whose value was computed"),
            (&["CREATE TEMP TABLE t AS SELECT 1", "INSERT INTO b SELECT * FROM t"], "0 the temporary table t"),
            (&["DECLARE c CURSOR WITH HOLD FOR SELECT 1", "FETCH c"], "0 a cursor"),
        ];
        for (texts, expected) in of_postgres {
            assert_eq!(shown(texts, 1, Dialect::Postgres), expected, "{texts:?}");
        }
    }
}
