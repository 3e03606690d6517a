//! Every keyword of MariaDB and MySQL in every place where names stand: ours and the engine's verdicts, one by one.
//!
//! The servers of the run list their own keywords (`information_schema.keywords`) and judge by preparing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemagate::sql::verdict::Answer;

use crate::databases::Engine;
use crate::support::World;
use crate::verdicts::Judge;

/// Where a name stands: `@` is replaced by the keyword.
const PLACES: &[&str] = &[
    "CREATE TABLE @ (a INT)",
    "CREATE TABLE t (@ INT)",
    "CREATE TABLE d.@ (a INT)",
    "CREATE INDEX @ ON t (a)",
    "CREATE TABLE t (a INT, KEY @ (a))",
    "CREATE TABLE t (a INT, CONSTRAINT @ UNIQUE (a))",
    "CREATE VIEW @ AS SELECT 1",
    "CREATE DATABASE @",
    "CREATE USER @",
    "CREATE ROLE @",
    "GRANT @ TO u",
    "SELECT @ FROM t",
    "SELECT @, a FROM t",
    "SELECT t.@ FROM t",
    "SELECT @.a FROM t",
    "SELECT @(1)",
    "SELECT @()",
    "SELECT @(1, 2)",
    "SELECT @ (1)",
    "SELECT d.@(1)",
    "SELECT 1 AS @",
    "SELECT 1 @",
    "SELECT a FROM t @",
    "SELECT a FROM t AS @",
    "SELECT a FROM (SELECT 1 AS a) @",
    "SELECT a FROM @",
    "SELECT a FROM t WHERE @ > 1",
    "SELECT a FROM t ORDER BY @",
    "SELECT a FROM t GROUP BY @",
    "WITH @ AS (SELECT 1) SELECT 1",
    "UPDATE t SET @ = 1",
    "UPDATE t SET a = @",
    "INSERT INTO t (@) VALUES (1)",
    "INSERT INTO @ VALUES (1)",
    "INSERT INTO t VALUES (@)",
    "DELETE FROM @",
    "ALTER TABLE t ADD @ INT",
    "ALTER TABLE t ADD COLUMN @ INT",
    "ALTER TABLE t DROP @",
    "ALTER TABLE t DROP COLUMN @",
    "ALTER TABLE t MODIFY @ INT",
    "ALTER TABLE t CHANGE @ b INT",
    "ALTER TABLE t CHANGE a @ INT",
    "ALTER TABLE t RENAME COLUMN @ TO b",
    "ALTER TABLE t ADD COLUMN a INT AFTER @",
    "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES @ (b)",
    "ALTER TABLE @ ADD a INT",
    "DROP TABLE @",
    "DROP VIEW @",
    "DROP INDEX @ ON t",
    "RENAME TABLE @ TO b",
    "TRUNCATE @",
    "SET @ = 1",
    "SET @ = ON",
    "SET SESSION @ = 1",
    "SET sql_mode = @",
    "SELECT @@@",
    "CALL @()",
    "CALL @",
    "SAVEPOINT @",
    "ROLLBACK TO @",
    "CREATE PROCEDURE @() SELECT 1",
    "CREATE PROCEDURE p(@ INT) SELECT 1",
    "CREATE PROCEDURE p() BEGIN DECLARE @ INT; END",
    "CREATE PROCEDURE p() BEGIN SET @ = 1; END",
    "CREATE PROCEDURE p() @: BEGIN END",
    "CREATE PROCEDURE p() BEGIN DECLARE @ CURSOR FOR SELECT 1; END",
    "CREATE FUNCTION @() RETURNS INT RETURN 1",
    "CREATE TRIGGER @ BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
    "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW SET NEW.@ = 1",
    "CREATE EVENT @ ON SCHEDULE EVERY 1 DAY DO SELECT 1",
    "CREATE TABLE t (a INT) PARTITION BY LIST (a) (PARTITION @ VALUES IN (1))",
    "CREATE TABLE t (a INT) ENGINE = @",
    "CREATE TABLE t (a VARCHAR(5) CHARACTER SET @)",
    "CREATE TABLE t (a VARCHAR(5) COLLATE @)",
    "CREATE TABLE t (a @)",
    "CREATE TABLE t (a INT @)",
    "CREATE TABLE t (a INT) @",
    "CREATE TABLE t (a INT) @ = 1",
    "SELECT CAST(1 AS @)",
    "SELECT EXTRACT(@ FROM a)",
    "SELECT @ a FROM t",
    "SELECT a FROM t @ JOIN u",
    "SELECT a FROM t LIMIT @",
    "SHOW @",
    "DROP @ a",
    "CREATE @ a",
    "ALTER @ a",
    "@",
    "@ t",
];

/// What is left, and why: place (any where none is named) and keywords.
const LEFT: &[(&str, &str)] = &[
    // It stops a statement of a body for us, which only this place can tell from a name.
    ("CREATE PROCEDURE p() BEGIN DECLARE @ INT; END", "END"),
    ("CREATE PROCEDURE p() BEGIN DECLARE @ CURSOR FOR SELECT 1; END", "END"),
    // A table without columns: refused when it runs, and by us.
    ("CREATE @ a", "TABLE"),
    // Not claimed, so not decided.
    ("CREATE @ a", "PACKAGE"),
    ("CREATE @ a", "EXTERNAL LIBRARY MATERIALIZED"),
    ("ALTER @ a", "PACKAGE EXTERNAL LIBRARY MATERIALIZED"),
    ("DROP @ a", "PACKAGE EXTERNAL LIBRARY MATERIALIZED"),
    // `SYSDATE(` is a token of its own.
    ("CALL @()", "SYSDATE"),
    ("CREATE FUNCTION @() RETURNS INT RETURN 1", "SYSDATE"),
    ("CREATE PROCEDURE @() SELECT 1", "SYSDATE"),
    ("CREATE TABLE t (a INT) @ = 1", "SYSDATE"),
    // Names of plugins stand there, which the server looks up.
    ("@ t", "FLUSH"),
    // Reserved in MySQL 8.4, keywords in 9, plain names before.
    ("", "MANUAL PARALLEL"),
    // Only MySQL 9 refuses it.
    ("CREATE PROCEDURE p() @: BEGIN END", "BINLOG"),
    // Of strings only.
    ("CREATE TABLE t (a INT @)", "COMPRESSED"),
];

/// What the recogniser does not decide as the server does, for each place.
fn differences(engine: Engine) -> BTreeMap<&'static str, (Vec<String>, Vec<String>)> {
    let judge = Judge::of(engine.flavour());
    let words = engine.database().ask(&World::empty(), "SELECT word FROM information_schema.keywords ORDER BY 1");
    let mut found: BTreeMap<&'static str, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for place in PLACES {
        for word in words.lines().filter(|word| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')) {
            let text = match place.strip_suffix("@@@") {
                Some(head) => format!("{head}@@{word}"),
                None => place.replace('@', word),
            };
            let left = |(other, words): &&(&str, &str)| {
                (other.is_empty() || other == place) && words.split(' ').any(|left| left == word)
            };
            if LEFT.iter().any(|entry| left(&entry)) {
                continue;
            }
            let ours = judge.ours(&text).is_none();
            let (rejects, accepts) = found.entry(place).or_default();
            match (judge.engine(&text), ours) {
                (Answer::Accepted, false) => rejects.push(word.to_owned()),
                (Answer::Rejected { .. }, true) => accepts.push(word.to_owned()),
                _ => {}
            }
        }
    }
    found.retain(|_, (rejects, accepts)| !rejects.is_empty() || !accepts.is_empty());
    found
}

#[test]
fn keywords_stand_where_the_engines_let_them_stand() {
    let mut wrong = String::new();
    for engine in Engine::mysqls() {
        for (place, (rejects, accepts)) in differences(engine) {
            let _ = writeln!(wrong, "{engine:?}: {place}");
            if !rejects.is_empty() {
                let _ = writeln!(wrong, "   rejected, but valid: {}", rejects.join(" "));
            }
            if !accepts.is_empty() {
                let _ = writeln!(wrong, "   accepted, but broken: {}", accepts.join(" "));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
