//! What is read from the words of statements.

use super::*;

fn shown(text: &str, dialect: Dialect) -> String {
    match effects(text, dialect) {
        Ok(effects) => effects
            .iter()
            .map(|effect| {
                let sign = if effect.there { '+' } else { '-' };
                let table = effect.table.as_deref().map(|table| format!("{table}.")).unwrap_or_default();
                format!("{sign}{:?} {table}{}", effect.kind, effect.name)
            })
            .collect::<Vec<_>>()
            .join(", "),
        Err(_) => "?".to_owned(),
    }
}

#[test]
fn the_trace_of_a_definition_is_read_and_what_leaves_none_is_said() {
    let cases = [
        ("CREATE TABLE `a``b` (id INT)", "+Table a`b"),
        ("CREATE TABLE IF NOT EXISTS a (id INT)", "+Harmless "),
        ("CREATE TABLE a AS SELECT 1 AS x", "?"),
        ("CREATE ALGORITHM = MERGE DEFINER = root@localhost VIEW v AS SELECT 1", "+Table v"),
        ("CREATE UNIQUE INDEX i ON s.t (a)", "+Index t.i"),
        ("CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1", "+Trigger tr"),
        ("DROP TABLE a, b", "-Table a, -Table b"),
        ("DROP INDEX i ON t", "-Index t.i"),
        (
            "ALTER TABLE t ADD COLUMN a INT DEFAULT (1, 2), DROP b, ADD KEY k (a)",
            "+Column t.a, -Column t.b, +Index t.k",
        ),
        ("ALTER TABLE t MODIFY a BIGINT, ALGORITHM = INPLACE", "+Harmless "),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", "+Constraint t.c"),
        ("ALTER TABLE t CHANGE a b INT", "-Column t.a, +Column t.b"),
        ("ALTER TABLE t CHANGE a A BIGINT", "+Harmless "),
        ("ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", "?"),
        ("ALTER TABLE t CHANGE a b INT, CHANGE b a INT", "?"),
        ("ALTER TABLE t RENAME COLUMN a TO A", "?"),
        ("ALTER TABLE t RENAME INDEX i TO j, RENAME INDEX j TO i", "?"),
        ("ALTER TABLE t DROP INDEX i, ADD INDEX i (b)", "?"),
        ("RENAME TABLE a TO A", "?"),
        ("ALTER TABLE t DROP INDEX IF EXISTS x", "?"),
        ("ALTER TABLE t DROP KEY IF EXISTS x", "?"),
        ("ALTER TABLE t DROP FOREIGN KEY IF EXISTS x", "?"),
        ("ALTER TABLE t DROP CONSTRAINT IF EXISTS x", "?"),
        ("ALTER TABLE t CHANGE IF EXISTS a b INT", "?"),
        ("ALTER TABLE t ADD CONSTRAINT FOREIGN KEY (a) REFERENCES b (c)", "?"),
        ("ALTER TABLE t ADD CONSTRAINT UNIQUE (a)", "?"),
        ("ALTER TABLE t ADD CONSTRAINT CHECK (a > 0)", "?"),
        ("ALTER TABLE t ADD INDEX USING BTREE (a)", "?"),
        ("ALTER TABLE t ADD INDEX (a)", "?"),
        ("ALTER TABLE t ADD PRIMARY KEY (a)", "+Constraint t.PRIMARY"),
        ("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b)", "?"),
        ("ALTER TABLE t ALTER COLUMN a SET DEFAULT 1", "+Harmless "),
        ("ALTER TABLE t ALTER a TYPE BIGINT", "?"),
        ("ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", "+Harmless "),
        ("ALTER TABLE t CONVERT PARTITION p TO TABLE u", "?"),
        ("CREATE OR REPLACE TABLE a (id INT)", "?"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "+Harmless "),
        ("CREATE OR REPLACE DEFINER = 'a'@'b' PROCEDURE p() SELECT 1", "+Harmless "),
        ("CREATE TABLE IF NOT EXISTS a AS SELECT 1 AS x", "?"),
        ("CREATE TEMPORARY TABLE a (id INT)", "+Harmless "),
        ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1", "+Event e"),
        ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY ENDS '2030-01-01' DO SELECT 1", "?"),
        ("CREATE PROCEDURE p() SELECT 1", "+Procedure p"),
        ("DROP FUNCTION p", "-Function p"),
        ("SET PASSWORD FOR u = 'x'", "+Harmless "),
        ("SET PASSWORD FOR u = 'x' RETAIN CURRENT PASSWORD", "?"),
        ("SET PASSWORD FOR u TO RANDOM", "?"),
        ("SET GLOBAL sql_slave_skip_counter = 1", "?"),
        ("CREATE EVENT e ON SCHEDULE AT CURRENT_TIMESTAMP DO SELECT 1", "?"),
        ("CREATE SPATIAL REFERENCE SYSTEM 4120 NAME 'x'", "?"),
        ("SET STATEMENT max_statement_time = 1 FOR ALTER TABLE t ADD a INT", "?"),
        ("SET GLOBAL max_connections = 5", "+Harmless "),
        ("ANALYZE TABLE t", "+Harmless "),
        ("ANALYZE UPDATE t SET a = a + 1", "?"),
        ("EXPLAIN ANALYZE UPDATE t SET a = a + 1", "?"),
        ("ALTER TABLE t ADD UNIQUE u (a)", "+Index t.u"),
        ("ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT", "?"),
        ("CREATE USER event@localhost", "?"),
        ("ALTER TABLE t DROP PRIMARY KEY", "-Constraint t.PRIMARY"),
        ("RENAME TABLE a TO b", "-Table a, +Table b"),
        ("RENAME TABLE a TO x, b TO a, x TO b", "?"),
        ("UPDATE t SET a = a + 1", "?"),
        ("CALL p()", "?"),
        ("TRUNCATE t", "?"),
        ("GRANT SELECT ON t TO u", "+Harmless "),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(text, Dialect::Mariadb), expected, "{text}");
    }
}

#[test]
fn postgres_is_asked_only_about_what_its_relations_tell() {
    let cases = [
        ("CREATE INDEX CONCURRENTLY \"I\"\"x\" ON s.t (a)", "+Index t.I\"x"),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)", "+Index t.i"),
        ("DROP INDEX CONCURRENTLY s.i", "-Index i"),
        ("DROP INDEX CONCURRENTLY i", "-Index i"),
        ("DROP TABLE IF EXISTS a", "-Table a"),
        ("DROP TABLE IF EXISTS s.a", "-Table a"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "+Table v"),
        ("CREATE TABLE t AS SELECT 1", "+Table t"),
        ("CREATE DATABASE d", "+Database d"),
        ("CREATE SCHEMA s", "?"),
        ("CREATE TYPE t AS ENUM ()", "?"),
        ("CREATE PUBLICATION p FOR TABLE t", "?"),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "?"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "?"),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "-Partition \"t\".\"p\""),
        ("ALTER TABLE t DETACH PARTITION p", "?"),
        ("ALTER TABLE t ALTER a TYPE bigint USING a * 2", "?"),
        ("ALTER DATABASE d SET work_mem = '1MB'", "+Harmless "),
        ("ALTER DATABASE d RENAME TO e", "?"),
        ("ALTER SYSTEM SET work_mem = '1MB'", "+Harmless "),
        ("REINDEX INDEX CONCURRENTLY i", "+Harmless "),
        ("VACUUM t", "+Harmless "),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(text, Dialect::Postgres), expected, "{text}");
    }
}

#[test]
fn only_what_is_refused_as_a_whole_may_be_tried_again() {
    let of_mariadb = [
        ("CREATE TABLE t (a INT)", true),
        ("DROP TABLE a", true),
        ("DROP TABLE a, b", false),
        ("DROP DATABASE d", false),
        ("CREATE OR REPLACE TABLE a AS SELECT 1", false),
        ("CALL p()", false),
        ("EXECUTE s", false),
        ("EXECUTE IMMEDIATE 'DROP TABLE a'", false),
        ("BEGIN NOT ATOMIC INSERT INTO t VALUES (1); COMMIT; END", false),
        ("IF 1 THEN INSERT INTO t VALUES (1); END IF", false),
        ("LOAD DATA INFILE 'x' INTO TABLE t", false),
        ("SET STATEMENT max_statement_time = 1 FOR CALL p()", false),
        ("CREATE USER a@b, c@d", false),
        ("ALTER TABLE t ADD a INT, ADD b INT", true),
    ];
    for (text, expected) in of_mariadb {
        assert_eq!(whole(text, Dialect::Mariadb), expected, "{text}");
    }
    assert!(!whole("DO $$ BEGIN COMMIT; END $$", Dialect::Postgres));
    assert!(whole("CREATE INDEX CONCURRENTLY i ON t (a)", Dialect::Postgres));
}
