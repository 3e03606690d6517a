//! What every engine promises: one suite, each scenario on all of them.

use crate::databases::{ALL, Database, Engine};
use crate::support::World;

/// Runs a scenario on each engine, with a database and a world of its own.
fn on_all(scenario: impl Fn(&Database, &World)) {
    for engine in ALL {
        let database = engine.database();
        let world = database.world();
        println!("on {engine:?}");
        scenario(&database, &world);
    }
}

fn count(database: &Database, world: &World, sql: &str) -> usize {
    database.ask(world, sql).parse().unwrap()
}

#[test]
fn a_push_runs_what_it_brings_once_and_records_it() {
    on_all(|database, world| {
        world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY, name VARCHAR(50));\n");
        world.file(
            "db/shop/1##dml##rows.sql",
            "INSERT INTO a VALUES (1, 'it''s; \"one\"');\nINSERT INTO a VALUES (2, 'é');\n",
        );
        world.send("one").says(&["2 applied now"]).ok();
        assert_eq!(database.ask(world, "SELECT name FROM a ORDER BY id"), "it's; \"one\"\né");
        world.migration("2", "ALTER TABLE a ADD COLUMN b INTEGER;\nCREATE INDEX by_b ON a (b);\n");
        world.send("two").says(&["1 applied now, 3 in all"]).ok();
        let rows = format!(
            "SELECT version, kind, state, statements_total, statements_done, statement_open, attempt FROM {} ORDER BY seq",
            database.history("migration")
        );
        assert_eq!(database.ask(world, &rows), "1|ddl|applied|1|1|0|1\n1|dml|applied|2|2|0|1\n2|ddl|applied|2|2|0|1");
        world.on_server(&["apply"]).says(&["up to date, 3 applied"]).ok();
    });
}

#[test]
fn a_refused_statement_is_shown_with_its_place_and_mended_by_the_next_push() {
    on_all(|database, world| {
        world.file("db/shop/1##dml##rows.sql", "INSERT INTO a VALUES (1);\n");
        world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
        world.send("one").ok();
        world.file(
            "db/shop/2##dml##rows.sql",
            "INSERT INTO a VALUES (2);\nINSERT INTO a VALUES (3);\nINSERT INTO a\n  VALUES (1);\n",
        );
        world.send("two").says(&["FAILED", "2##dml##rows.sql:3:1", "nothing of this file stays"]);
        assert_eq!(count(database, world, "SELECT count(*) FROM a"), 1);
        let state = format!(
            "SELECT state, error_statement, error_line FROM {} WHERE version = '2'",
            database.history("migration")
        );
        assert_eq!(database.ask(world, &state), "failed|3|3");
        world.file("db/shop/2##dml##rows.sql", "INSERT INTO a VALUES (2);\nINSERT INTO a VALUES (3);\n");
        world.send("mended").says(&["1 applied now"]).ok();
        assert_eq!(count(database, world, "SELECT count(*) FROM a"), 3);
    });
}

#[test]
fn two_runs_at_once_run_everything_once() {
    on_all(|database, world| {
        world.migration("1", "CREATE TABLE a (id INTEGER);\n");
        for version in 2..6 {
            world.file(&format!("db/shop/{version}##dml##row.sql"), &format!("INSERT INTO a VALUES ({version});\n"));
        }
        world.on_server(&["uninstall"]).ok();
        world.send("all").ok();
        let mut runs: Vec<_> = (0..3)
            .map(|_| {
                let mut command = world.command(crate::support::PROGRAM, &world.server());
                command.arg("apply").stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        for run in runs.drain(..) {
            let output = run.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        assert_eq!(count(database, world, "SELECT count(*) FROM a"), 4);
    });
}

#[test]
fn what_a_session_was_told_ends_with_the_file() {
    let database = Engine::Postgres.database();
    let world = database.world();
    world.migration("1", "CREATE SCHEMA other;\nSET search_path = other;\nCREATE TABLE a (id INTEGER);\n");
    world.migration("2", "CREATE TABLE b (id INTEGER);\n");
    world.send("two").ok();
    assert_eq!(database.ask(&world, "SELECT to_regclass('other.a'), to_regclass('public.b')"), "other.a|b");
}

#[test]
fn statements_that_no_transaction_holds_run_in_file_order() {
    let database = Engine::Postgres.database();
    let world = database.world();
    world.migration(
        "1",
        "CREATE TABLE a (id INTEGER);\nCREATE INDEX CONCURRENTLY by_id ON a (id);\nALTER TABLE a ADD COLUMN b INTEGER;\n",
    );
    world.send("one").says(&["1 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT mode, statements_done FROM schemagate.schemagate_migration"), "journal|3");
    world.file("db/shop/2##dml##rows.sql", "INSERT INTO a VALUES (1), (1);\n");
    world.migration(
        "3",
        "-- schemagate: lock-timeout = 2s\nCREATE UNIQUE INDEX CONCURRENTLY one_id ON a (id);\nVACUUM a;\n",
    );
    world.send("fails").says(&["FAILED", "could not create unique index", "no statement of this file ran"]);
    assert_eq!(database.ask(&world, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'one_id'::regclass"), "f");
    database.ask(&world, "DELETE FROM a WHERE ctid = (SELECT min(ctid) FROM a)");
    world.on_server(&["apply"]).says(&["was left invalid by an attempt that failed", "1 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'one_id'::regclass"), "t");
}

#[test]
fn rows_of_a_copy_and_what_the_server_says_arrive() {
    let database = Engine::Postgres.database();
    let world = database.world();
    world.migration(
        "1",
        "CREATE TABLE a (id INTEGER, name TEXT);\nDO $$ BEGIN RAISE NOTICE 'hello from the server'; END $$;\n",
    );
    world.file(
        "db/shop/1##dml##rows.sql",
        "COPY a FROM stdin;\n1\tone; two\n2\t\\N\n\\.\nINSERT INTO a VALUES (3, 'x');\n",
    );
    world.send("one").says(&["2 applied now", "hello from the server"]).ok();
    assert_eq!(database.ask(&world, "SELECT * FROM a ORDER BY id"), "1|one; two\n2|\n3|x");
}

#[test]
fn routines_and_version_comments_run_as_in_the_client() {
    let database = Engine::Mariadb.database();
    let world = database.world();
    world.migration(
        "1",
        "CREATE TABLE a (id INT, n INT);\n/*!50001 CREATE TABLE b (id INT) */;\nDELIMITER //\n\
         CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET NEW.n = NEW.id * 2; SET NEW.id = NEW.id; END//\n\
         CREATE PROCEDURE p() BEGIN INSERT INTO a (id) VALUES (7); END//\nDELIMITER ;\nCALL p();\n",
    );
    world.send("one").says(&["1 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT id, n FROM a"), "7|14");
    world.file("db/shop/2##dml##rows.sql", "INSERT INTO a (id) VALUES (1||0);\n");
    world.send("two").ok();
    // As the server's own client understands `||`: not as concatenation.
    assert_eq!(database.ask(&world, "SELECT id FROM a WHERE id < 7"), "1");
}

#[test]
fn a_definition_that_fails_half_way_goes_on_behind_what_ran() {
    let database = Engine::Mariadb.database();
    let world = database.world();
    world.migration("1", "CREATE TABLE a (id INT);\nCREATE TABLE b (id INT);\nALTER TABLE nowhere ADD x INT;\nCREATE TABLE c (id INT);\n");
    world.send("one").says(&["FAILED", "1##ddl##change.sql:3:1", "statements 1 to 2 of this file ran and stay"]);
    world.migration(
        "1",
        "CREATE TABLE a (id INT);\nCREATE TABLE other (id INT);\nALTER TABLE a ADD x INT;\nCREATE TABLE c (id INT);\n",
    );
    world.send("edits what ran").refused(&["released-edited", "it has run on dev/shop"]);
    world.migration(
        "1",
        "CREATE TABLE a (id INT);\nCREATE TABLE b (id INT);\nALTER TABLE a ADD x INT;\nCREATE TABLE c (id INT);\n",
    );
    world.send("mends").says(&["1 applied now", "from statement 3"]).ok();
    assert_eq!(database.ask(&world, "SELECT state, statements_done, attempt FROM schemagate_migration"), "applied|4|2");
}
