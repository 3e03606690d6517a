//! What runs beside others in PostgreSQL: it waits for them, and what it leaves when it fails is taken away.

use crate::databases::{Database, Engine};
use crate::doubt::on;
use crate::support::World;
use crate::truth::meanwhile;

/// A database with a table of two equal rows.
fn with_rows() -> (Database, World) {
    let (database, world) = on(Engine::Postgres);
    world.file("db/shop/1##ddl##a.sql", "CREATE TABLE a (id INTEGER);\n");
    world.file("db/shop/1##dml##rows.sql", "INSERT INTO a VALUES (1), (1);\n");
    world.send("rows").ok();
    (database, world)
}

const INVALID: &str =
    "SELECT coalesce(string_agg(indexrelid::regclass::text, ' '), '') FROM pg_index WHERE NOT indisvalid";

/// Makes an index look like one whose build was cut off.
fn leave(database: &Database, world: &World, name: &str) {
    database.ask(world, &format!("CREATE INDEX {name} ON a (id)"));
    database.ask(world, &format!("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass"));
}

#[test]
fn a_build_that_fails_leaves_no_index_with_a_name_or_without() {
    for name in ["", "one_id "] {
        let (database, world) = with_rows();
        leave(&database, &world, "of_somebody");
        world.migration("2", &format!("CREATE UNIQUE INDEX CONCURRENTLY {name}ON a (id);\n"));
        let left = if name.is_empty() { "a_id_idx" } else { "one_id" };
        world.send("fails").says(&[
            "FAILED",
            "could not create unique index",
            &format!("the index {left} was left invalid by this failure; it was dropped"),
        ]);
        assert_eq!(database.ask(&world, INVALID), "of_somebody");
        database.ask(&world, "DELETE FROM a WHERE ctid = (SELECT min(ctid) FROM a)");
        world.on_server(&["apply"]).says(&["1 applied now"]).ok();
        assert_eq!(database.ask(&world, INVALID), "of_somebody");
    }
}

#[test]
fn what_an_attempt_that_was_cut_off_left_is_dropped_before_the_next() {
    let (database, world) = with_rows();
    leave(&database, &world, "by_id");
    leave(&database, &world, "by_id_ccnew");
    leave(&database, &world, "by_id_ccold1");
    leave(&database, &world, "of_somebody");
    world.migration("2", "CREATE INDEX CONCURRENTLY by_id ON a (id);\n");
    let said = "the index by_id was left invalid by an attempt that failed; it was dropped";
    world.send("named").says(&[said, "1 applied now"]).ok();
    world.migration("3", "REINDEX (VERBOSE) TABLE CONCURRENTLY a;\n");
    let said = "the indexes by_id_ccnew, by_id_ccold1 were left invalid by an attempt that failed; they were dropped";
    world.send("again").says(&[said, "1 applied now"]).ok();
    // Which one is not known to be a leftover stays.
    assert_eq!(database.ask(&world, INVALID), "of_somebody");
    assert_eq!(database.ask(&world, "SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass"), "2");
}

#[test]
fn a_detachment_that_was_cut_off_goes_on() {
    let (database, world) = on(Engine::Postgres);
    let tables = "CREATE TABLE p (id INTEGER) PARTITION BY LIST (id);\nCREATE TABLE p_1 PARTITION OF p FOR VALUES IN (1);\n\
                  CREATE TABLE p_2 PARTITION OF p FOR VALUES IN (2);\nCREATE TABLE p_3 PARTITION OF p FOR VALUES IN (3);\n";
    world.migration("1", tables);
    world.file("db/shop/1##dml##rows.sql", "INSERT INTO p VALUES (1), (2), (3);\n");
    world.send("tables").ok();
    // Who has read the table keeps the second half of it waiting.
    let at_work = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM p; SELECT pg_sleep(600)";
    let mut reader = meanwhile(&database, &world, at_work);
    let detach = |number: u8| format!("ALTER TABLE p DETACH PARTITION p_{number} CONCURRENTLY;\n");
    let two = format!("-- schemagate: statement-timeout = 1s\n{}{}", detach(1), detach(3));
    world.migration("2", &two);
    let finish = "ALTER TABLE \"p\" DETACH PARTITION \"p_1\" FINALIZE";
    world.send("cut off").says(&[
        "FAILED",
        "the partition is left half detached",
        finish,
        "no statement of this file ran",
    ]);
    let pending = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending";
    assert_eq!(database.ask(&world, pending), "1");
    database.ask(&world, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'pg_sleep.600'  AND pid <> pg_backend_pid()");
    reader.wait().unwrap();
    let again = format!("this was cut off before; instead runs: {finish}");
    world.on_server(&["apply"]).says(&[&again, "1 applied now"]).ok();
    let left = "SELECT string_agg(inhrelid::regclass::text, ' ') FROM pg_inherits WHERE inhparent = 'p'::regclass";
    assert_eq!(database.ask(&world, left), "p_2");
    // After a crash the catalogue tells whether it took effect.
    world.migration("3", &detach(2));
    world.send("the last one").says(&["1 applied now"]).ok();
    let crashed = "UPDATE schemagate.schemagate_migration SET seal = '', state = 'running', statements_done = 0, statement_open = 1 WHERE version = '3'";
    database.ask(&world, crashed);
    world.on_server(&["apply"]).says(&["had run", "1 applied now"]).ok();
    database.ask(&world, "ALTER TABLE p ATTACH PARTITION p_2 FOR VALUES IN (2)");
    database.ask(&world, crashed);
    world.on_server(&["apply"]).says(&["had not run", "1 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT count(*) FROM pg_inherits"), "0");
}

#[test]
fn a_build_waits_for_others_longer_than_for_a_lock_that_holds_people_up() {
    let short = |database: &Database| {
        database.server_file().replace("[[environment]]\n", "[[environment]]\nlock-timeout = \"300ms\"\n")
    };
    let at_work = "BEGIN; INSERT INTO a VALUES (2); SELECT pg_sleep(3); COMMIT";
    let (database, world) = with_rows();
    world.write_server_file(&short(&database));
    let mut other = meanwhile(&database, &world, at_work);
    let text = "CREATE INDEX CONCURRENTLY i ON a (id);\nCREATE TABLE s AS SELECT setting AS t FROM pg_settings WHERE name = 'lock_timeout';\n";
    world.migration("2", text);
    let said = world.send("waits").says(&["1 applied now"]).ok();
    assert!(!said.contains("retrying") && !said.contains("invalid"), "{said}");
    assert_eq!(database.ask(&world, "SELECT t FROM s"), "300", "the timeout is as before");
    other.wait().unwrap();
    // What the script itself asks for counts.
    let mut other = meanwhile(&database, &world, at_work);
    world.migration("3", "SET lock_timeout = '400ms';\nCREATE INDEX CONCURRENTLY j ON a (id);\n");
    world.send("asks").says(&["retrying", "canceling statement due to lock timeout", "1 applied now"]).ok();
    other.wait().unwrap();
    assert_eq!(database.ask(&world, INVALID), "");
}
