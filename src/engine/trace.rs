//! What a statement leaves in the catalogue, read from its words.
//!
//! A single definition is atomic in MySQL 8 (manual, "Atomic Data Definition Statement Support"), in MariaDB from 10.6
//! (knowledge base, "Atomic DDL") and in PostgreSQL, so one of its effects speaks for all. Refuses to guess: what leaves
//! no trace, and every form that is not known here, is said to be undecidable.

use crate::config::Dialect;
use crate::engine::probe::{Effect, Kind};
use crate::engine::trace_alter::altered;
use crate::engine::words::Words;

/// What may run again without harm.
pub(super) fn harmless() -> Vec<Effect> {
    vec![Effect { kind: Kind::Harmless, schema: None, table: None, name: String::new(), there: true }]
}

const UNKNOWN: &str = "its effect cannot be looked up";

/// Reads what a statement leaves.
///
/// # Errors
/// Why that cannot be looked up.
pub(super) fn effects(text: &str, dialect: Dialect) -> Result<Vec<Effect>, String> {
    let mut words = Words::of(text, dialect);
    let effects = if repeatable(&mut words, dialect) {
        Some(harmless())
    } else if words.take(&["CREATE"]) {
        created(&mut words, dialect)
    } else if words.take(&["DROP"]) {
        dropped(&mut words, dialect)
    } else if words.take(&["ALTER"]) && dialect != Dialect::Postgres {
        altered(&mut words)
    } else if words.take(&["RENAME"]) {
        renamed(&mut words)
    } else {
        None
    };
    effects.filter(|effects| !effects.is_empty() && told_apart(effects)).ok_or_else(|| UNKNOWN.to_owned())
}

/// Names that come twice, such as those that are swapped, say nothing; and many names do not know their case.
fn told_apart(effects: &[Effect]) -> bool {
    let same = |one: &Effect, other: &Effect| {
        one.kind == other.kind && one.name.to_lowercase() == other.name.to_lowercase() && one.kind != Kind::Harmless
    };
    effects.iter().enumerate().all(|(at, one)| !effects[at + 1..].iter().any(|other| same(one, other)))
}

/// Says whether a statement may simply run again: it ends in the same state, or what it made ended with its session.
fn repeatable(words: &mut Words, dialect: Dialect) -> bool {
    if dialect == Dialect::Postgres {
        if words.take(&["ALTER", "DATABASE"]) {
            return words.name().is_some() && words.any(&["SET", "RESET", "OWNER", "WITH", "CONNECTION"]);
        }
        let maintained = ["VACUUM", "REINDEX", "CLUSTER", "CHECKPOINT", "ANALYZE", "ANALYSE"];
        return words.any(&["GRANT", "REVOKE", "COMMENT", "DISCARD"])
            || words.any(&maintained)
            || words.take(&["ALTER", "SYSTEM"]);
    }
    if dialect == Dialect::Sqlite {
        return words.any(&["VACUUM", "PRAGMA", "REINDEX", "ANALYZE"]);
    }
    let maintained = ["ANALYZE", "OPTIMIZE", "CHECK", "REPAIR"];
    if words.any(&maintained) {
        words.any(&["LOCAL", "NO_WRITE_TO_BINLOG"]);
        return words.any(&["TABLE", "TABLES"]);
    }
    if words.peek("SET") {
        return !words.take(&["SET", "STATEMENT"]);
    }
    words.any(&["GRANT", "REVOKE", "FLUSH", "PREPARE", "DEALLOCATE"])
        || words.take(&["CREATE", "TEMPORARY"])
        || words.take(&["DROP", "TEMPORARY"])
        || words.take(&["DROP", "PREPARE"])
}

fn kind(words: &mut Words, dialect: Dialect) -> Option<Kind> {
    let relations = [("TABLE", Kind::Table), ("VIEW", Kind::Table), ("SEQUENCE", Kind::Table), ("INDEX", Kind::Index)];
    let of_postgres = [("DATABASE", Kind::Database)];
    let of_mysql = [
        ("TRIGGER", Kind::Trigger),
        ("PROCEDURE", Kind::Routine),
        ("FUNCTION", Kind::Routine),
        ("EVENT", Kind::Event),
        ("DATABASE", Kind::Database),
        ("SCHEMA", Kind::Database),
    ];
    let more = if dialect == Dialect::Postgres { of_postgres.as_slice() } else { of_mysql.as_slice() };
    let mut kinds = relations.iter().chain(more);
    kinds.find(|(word, _)| words.take(&[word])).map(|(_, kind)| *kind)
}

/// Goes behind what stands between CREATE and the kind of what it creates.
fn prefix(words: &mut Words) -> Option<()> {
    loop {
        if words.take(&["DEFINER", "="]) {
            if words.any(&["CURRENT_USER", "CURRENT_ROLE"]) {
                let _ = words.take(&["(", ")"]);
                continue;
            }
            words.account()?;
        } else if words.take(&["ALGORITHM", "="]) || words.take(&["SQL", "SECURITY"]) {
            words.name()?;
        } else if !words.any(&["UNIQUE", "FULLTEXT", "SPATIAL", "AGGREGATE", "MATERIALIZED"]) {
            return Some(());
        }
    }
}

fn created(words: &mut Words, dialect: Dialect) -> Option<Vec<Effect>> {
    let replaces = words.take(&["OR", "REPLACE"]);
    prefix(words)?;
    let (view, event) = (words.peek("VIEW"), words.peek("EVENT"));
    let code = view || words.peek("TRIGGER") || words.peek("PROCEDURE") || words.peek("FUNCTION");
    let kind = kind(words, dialect)?;
    if replaces {
        // A table that is made anew loses rows that came since.
        return code.then(harmless);
    }
    // A table that is filled by its own definition may be there without its rows; an event may have come and gone.
    let filled = ["SELECT", "ROW", "TABLE"].iter().any(|word| words.later(word));
    if kind == Kind::Table && !view && filled && dialect != Dialect::Postgres || event && words.later("AT") {
        return None;
    }
    words.any(&["CONCURRENTLY"]);
    if words.take(&["IF", "NOT", "EXISTS"]) {
        // PostgreSQL takes an index that a failed build left for one that exists.
        return (dialect != Dialect::Postgres || kind != Kind::Index).then(harmless);
    }
    if kind == Kind::Index && words.peek("ON") {
        return None;
    }
    let (mut schema, name) = words.qualified()?;
    let mut table = None;
    if kind == Kind::Index {
        while !words.peek("ON") {
            words.at += 1;
            words.list.get(words.at)?;
        }
        words.take(&["ON"]);
        words.any(&["ONLY"]);
        let (of, on) = words.qualified()?;
        (schema, table) = (of, Some(on));
    }
    Some(vec![Effect { kind, schema, table, name, there: true }])
}

fn dropped(words: &mut Words, dialect: Dialect) -> Option<Vec<Effect>> {
    words.any(&["MATERIALIZED"]);
    let kind = kind(words, dialect)?;
    words.any(&["CONCURRENTLY"]);
    if words.take(&["IF", "EXISTS"]) {
        return Some(harmless());
    }
    let mut effects = Vec::new();
    loop {
        let (mut schema, name) = words.qualified()?;
        let mut table = None;
        if kind == Kind::Index && words.take(&["ON"]) {
            let (of, on) = words.qualified()?;
            (schema, table) = (of, Some(on));
        }
        effects.push(Effect { kind, schema, table, name, there: false });
        if !words.take(&[","]) {
            return Some(effects);
        }
    }
}

fn renamed(words: &mut Words) -> Option<Vec<Effect>> {
    if !words.any(&["TABLE", "TABLES"]) || words.take(&["IF"]) {
        return None;
    }
    let mut effects = Vec::new();
    loop {
        let (old_schema, old) = words.qualified()?;
        if !words.take(&["TO"]) {
            return None;
        }
        let (schema, name) = words.qualified()?;
        effects.push(Effect { kind: Kind::Table, schema: old_schema, table: None, name: old, there: false });
        effects.push(Effect { kind: Kind::Table, schema, table: None, name, there: true });
        if !words.take(&[","]) {
            return words.over().then_some(effects);
        }
    }
}

/// Says whether a server carries out a statement wholly or not at all, so that one which was refused left nothing.
///
/// Routines and compound statements may commit on their way; MariaDB drops several tables one by one (knowledge base,
/// "Atomic DDL": `DROP TABLE` of several is atomic only for each); loading and calling do what they do.
pub(super) fn whole(text: &str, dialect: Dialect) -> bool {
    let mut words = Words::of(text, dialect);
    if dialect == Dialect::Mariadb && words.take(&["DROP"]) {
        words.any(&["TEMPORARY"]);
        return !(words.any(&["TABLE", "TABLES", "VIEW", "SEQUENCE"]) && words.later(","));
    }
    if words.peek("SET") {
        return !words.take(&["SET", "STATEMENT"]);
    }
    // A user may be one of several, and those before it stay.
    let accounts = words.later("USER") || words.later("ROLE");
    let definitions = ["CREATE", "ALTER", "DROP", "RENAME", "GRANT", "REVOKE"];
    if dialect != Dialect::Postgres && words.any(&definitions) {
        return !accounts || !words.later(",");
    }
    let others = [
        "CREATE",
        "ALTER",
        "DROP",
        "TRUNCATE",
        "COMMENT",
        "GRANT",
        "REVOKE",
        "VACUUM",
        "REINDEX",
        "CLUSTER",
        "DISCARD",
        "CHECKPOINT",
        "ANALYZE",
        "ANALYSE",
        "OPTIMIZE",
        "CHECK",
        "REPAIR",
        "FLUSH",
        "PREPARE",
        "DEALLOCATE",
        "PRAGMA",
        "REFRESH",
        "LOCK",
        "UNLOCK",
        "USE",
    ];
    words.any(&others)
}

/// The name of the index that a `CREATE INDEX CONCURRENTLY` of PostgreSQL makes, with the schema of its table.
pub(super) fn index_made(text: &str) -> Option<(Option<String>, String)> {
    let mut words = Words::of(text, Dialect::Postgres);
    let create =
        words.take(&["CREATE", "INDEX", "CONCURRENTLY"]) || words.take(&["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY"]);
    words.take(&["IF", "NOT", "EXISTS"]);
    if !create || words.peek("ON") {
        return None;
    }
    let name = words.name()?;
    words.take(&["ON"]);
    words.any(&["ONLY"]);
    let (schema, _) = words.qualified()?;
    Some((schema, name))
}

#[cfg(test)]
mod tests {
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
            ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)", "?"),
            ("DROP INDEX CONCURRENTLY s.i", "-Index i"),
            ("CREATE MATERIALIZED VIEW v AS SELECT 1", "+Table v"),
            ("CREATE TABLE t AS SELECT 1", "+Table t"),
            ("CREATE DATABASE d", "+Database d"),
            ("CREATE SCHEMA s", "?"),
            ("CREATE TYPE t AS ENUM ()", "?"),
            ("CREATE PUBLICATION p FOR TABLE t", "?"),
            ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "?"),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "?"),
            ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "?"),
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
}
