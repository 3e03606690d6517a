//! Traps that engines set: what looks harmless and is not. In each of them something would be untrue, or done twice.

use std::process::Child;

use crate::databases::{Database, Engine};
use crate::doubt::on;
use crate::engines::on_all;
use crate::support::{Done, PROGRAM, World};
use crate::truth::meanwhile;

/// The server file with keys for its environment and its target.
pub(crate) fn keys(database: &Database, environment: &str, target: &str) -> String {
    let file = database.server_file().replace("[[environment]]\n", &format!("[[environment]]\n{environment}\n"));
    format!("{file}{target}\n")
}

/// Pushes, and a moment later does something beside it.
fn beside(world: &World, pause: u64, work: impl FnOnce()) -> Done {
    std::thread::scope(|scope| {
        let pushed = scope.spawn(|| world.send("beside"));
        std::thread::sleep(std::time::Duration::from_millis(pause));
        work();
        pushed.join().unwrap()
    })
}

pub(crate) fn history(database: &Database, world: &World, columns: &str) -> String {
    database.ask(world, &format!("SELECT {columns} FROM {} ORDER BY seq", database.history("migration")))
}

/// A table without transactions in another database, to which a trigger of a third one leads, so that nobody can know of it.
pub(crate) fn hidden_table(database: &Database, world: &World) -> String {
    let (hidden, through) = (format!("{}_other.m", database.name()), format!("{}_through.u", database.name()));
    let (far, near) = (hidden.trim_end_matches(".m"), through.trim_end_matches(".u"));
    database.ask(
        world,
        &format!(
            "CREATE DATABASE {far}; CREATE TABLE {hidden} (id INT) ENGINE = MyISAM; CREATE DATABASE {near}; CREATE TABLE \
             {through} (id INT); CREATE TABLE t (id INT PRIMARY KEY); CREATE TRIGGER {near}.log AFTER INSERT ON {through} FOR \
             EACH ROW INSERT INTO {hidden} VALUES (NEW.id); CREATE TRIGGER log AFTER INSERT ON t FOR EACH ROW INSERT INTO \
             {through} VALUES (NEW.id)"
        ),
    );
    hidden
}

#[test]
fn what_could_not_be_taken_back_is_never_run_again_by_itself() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        let hidden = hidden_table(&database, &world);
        let rows = format!("SELECT count(*) FROM {hidden}");
        let text = "SET @x = 1;\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (1);\n";
        world.file("db/shop/1##dml##rows.sql", text);
        world.send("one").says(&["statements 1 to 3 changed tables without transactions and may stay in part"]);
        assert_eq!(history(&database, &world, "state, statements_done, statement_open"), "failed|0|3");
        world.on_server(&["apply"]).refused(&[
            "statements 1 to 3 changed tables without transactions",
            "--from 4",
            "--from 1",
        ]);
        assert_eq!(database.ask(&world, &rows), "1");
    }
}

#[test]
fn what_stays_of_the_last_part_of_a_journal_is_told_from_what_ran_before_it() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        let hidden = hidden_table(&database, &world);
        world.write_server_file(&keys(&database, "lock-timeout = \"1s\"", "lock-wait = \"3s\""));
        world.migration("1", "CREATE TABLE n (id INT);\nINSERT INTO t VALUES (1);\nDO SLEEP(3);\n");
        let mut holder = None;
        let hold = "START TRANSACTION; SELECT * FROM schemagate_event FOR UPDATE; DO SLEEP(7); COMMIT";
        let done = beside(&world, 1500, || holder = Some(meanwhile(&database, &world, hold)));
        done.says(&["statement 1 of this file ran and stays", "statements 2 to 3", "may stay in part"]);
        holder.map(|mut holder: Child| holder.wait().unwrap());
        let seen = database.ask(&world, &format!("SELECT count(*) FROM {hidden}"));
        world.on_server(&["apply"]).refused(&[]);
        assert_eq!(database.ask(&world, &format!("SELECT count(*) FROM {hidden}")), seen);
    }
}

#[test]
fn a_way_to_a_table_without_transactions_made_by_the_file_before_is_known() {
    for engine in Engine::mysqls() {
        for way in [
            "CREATE TABLE x LIKE m;",
            "CREATE TABLE x (id INT PRIMARY KEY);\nCREATE TRIGGER r AFTER INSERT ON x FOR EACH ROW INSERT INTO m VALUES (1);",
            "CREATE VIEW x AS SELECT * FROM m;",
            "ALTER TABLE m RENAME TO x;",
        ] {
            let (database, world) = on(engine);
            world.migration("1", "CREATE TABLE m (id INT) ENGINE = MyISAM;\n");
            world.send("m").ok();
            world.migration("2", &format!("{way}\n"));
            world.file("db/shop/3##dml##rows.sql", "INSERT INTO x VALUES (1);\n");
            world.send("x").ok();
            assert_eq!(history(&database, &world, "mode").lines().last(), Some("journal"), "{way}");
        }
    }
}

#[test]
fn an_index_that_somebody_else_builds_is_waited_for_and_never_dropped() {
    let (database, world) = on(Engine::Postgres);
    let role = format!("app_{}", database.name());
    database.ask(
        &world,
        &format!(
            "CREATE ROLE {role} LOGIN; ALTER DATABASE {} OWNER TO {role}; GRANT ALL ON SCHEMA public TO {role}",
            database.name()
        ),
    );
    world.write_server_file(&database.server_file().replace("postgres@", &format!("{role}@")));
    world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.send("a").ok();
    let mut writer = meanwhile(&database, &world, "BEGIN; INSERT INTO a VALUES (2); SELECT pg_sleep(4); COMMIT");
    let mut other = meanwhile(&database, &world, "CREATE INDEX CONCURRENTLY by_id ON a (id)");
    world.migration("2", "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_id ON a (id);\n");
    let said = world.send("b").says(&["somebody is at work on its table who may be building it", "1 applied now"]).ok();
    assert!(!said.contains("dropped") && !said.contains("no transaction in progress"), "{said}");
    writer.wait().unwrap();
    assert!(other.wait().unwrap().success());
    assert_eq!(database.ask(&world, "SELECT indisvalid FROM pg_index WHERE indrelid = 'a'::regclass"), "t");
}

#[test]
fn an_index_that_others_left_invalid_is_not_taken_for_ours() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.file("db/shop/1##dml##rows.sql", "INSERT INTO a VALUES (1), (1);\n");
    world.send("a").ok();
    let mut writer = meanwhile(&database, &world, "BEGIN; UPDATE a SET id = id; SELECT pg_sleep(3); COMMIT");
    // It fails, because the rows are not unique, while ours waits for it.
    let mut other = meanwhile(&database, &world, "CREATE UNIQUE INDEX CONCURRENTLY by_id ON a (id)");
    world.migration("2", "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_id ON a (id);\n");
    world
        .send("b")
        .says(&["the index by_id was left invalid by an attempt that failed; it was dropped", "1 applied now"])
        .ok();
    writer.wait().unwrap();
    assert!(!other.wait().unwrap().success());
    assert_eq!(database.ask(&world, "SELECT indisvalid FROM pg_index WHERE indrelid = 'a'::regclass"), "t");
}

#[test]
fn an_index_that_cannot_be_dropped_either_is_named() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.send("a").ok();
    world.write_server_file(&keys(&database, "lock-timeout = \"1s\"", "lock-wait = \"2s\""));
    let mut holder = meanwhile(&database, &world, "BEGIN; INSERT INTO a VALUES (2); SELECT pg_sleep(10); COMMIT");
    world.migration("2", "CREATE INDEX CONCURRENTLY ON a (id);\n");
    world
        .send("b")
        .says(&["the index a_id_idx is left invalid and could not be dropped", "DROP INDEX CONCURRENTLY a_id_idx"]);
    holder.wait().unwrap();
}

#[test]
fn a_statement_that_took_too_long_does_not_stop_what_the_program_asks_itself() {
    let (database, world) = on(Engine::Sqlite);
    for number in 1..=400 {
        world.migration(&number.to_string(), &format!("CREATE TABLE t{number} (id INTEGER);\n"));
    }
    world.send("all").ok();
    let slow = "-- schemagate: statement-timeout = 1s\nINSERT INTO t1 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0;\n";
    world.file("db/shop/401##dml##x.sql", slow);
    world.send("slow").says(&["longer than statement-timeout"]);
    world.file("db/shop/401##dml##x.sql", "INSERT INTO t1 VALUES (1);\n");
    world.send("mended").says(&["1 applied now"]).ok();
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)";
    world.migration("402", "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (p INTEGER REFERENCES p (id));\n");
    world.send("tables").ok();
    database.ask(&world, &format!("{rows} INSERT INTO p SELECT i FROM n; {rows} INSERT INTO c SELECT i FROM n"));
    world.file("db/shop/403##dml##x.sql", "-- schemagate: statement-timeout = 20ms\nINSERT INTO p VALUES (0);\n");
    world.send("references are looked at as long as it takes").says(&["1 applied now"]).ok();
}

#[test]
fn a_variable_that_was_set_is_not_set_again_from_its_new_value() {
    for engine in Engine::mysqls() {
        for (file, text) in [
            ("db/shop/2##dml##x.sql", "SET @n = IFNULL(@n, 0) + 1;\nUPDATE a SET v = @n;\n"),
            (
                "db/shop/2##ddl##x.sql",
                "CREATE TABLE b (id INT);\nSET @n = 0;\nCREATE TABLE c (id INT);\nSET @n = @n + 1;\nUPDATE a SET v = @n;\n",
            ),
        ] {
            let (database, world) = on(engine);
            world.write_server_file(&keys(&database, "lock-timeout = \"1s\"", ""));
            world.migration("1", "CREATE TABLE a (id INT PRIMARY KEY, v INT);\nINSERT INTO a VALUES (1, 0);\n");
            world.send("a").ok();
            let hold = "START TRANSACTION; SELECT * FROM a FOR UPDATE; DO SLEEP(4); COMMIT";
            let mut holder = meanwhile(&database, &world, hold);
            world.file(file, text);
            world.send("b");
            holder.wait().unwrap();
            world.on_server(&["apply"]).ok();
            assert_eq!(database.ask(&world, "SELECT v FROM a"), "1", "{text}");
        }
    }
}

#[test]
fn an_error_about_another_connection_is_a_refusal() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1 dbname=x' PUBLICATION p;\n");
    let said = world.send("one").says(&["FAILED", "could not connect to the publisher"]).text;
    assert!(!said.contains("connection was lost"), "{said}");
    assert_eq!(history(&database, &world, "state, statements_done, statement_open"), "failed|0|0");
    world.migration(
        "1",
        "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1 dbname=x' PUBLICATION p WITH (connect = false);\n",
    );
    world.send("mended").says(&["1 applied now"]).ok();
    database.ask(&world, "ALTER SUBSCRIPTION s SET (slot_name = NONE)");
    database.ask(&world, "DROP SUBSCRIPTION s");
    world.migration("2", "DO $$ BEGIN RAISE EXCEPTION 'remote is away' USING ERRCODE = '08001'; END $$;\n");
    let said = world.send("two").says(&["remote is away", "nothing of this file stays"]).text;
    assert!(!said.contains("connection was lost"), "{said}");
}

#[test]
fn only_references_that_were_broken_before_may_be_broken_behind_a_file() {
    const TABLES: &str = "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id));\n";
    let broken = "refer to rows of p that do not exist";
    let with_an_orphan = || {
        let (database, world) = on(Engine::Sqlite);
        world.migration("1", TABLES);
        world.send("tables").ok();
        database.ask(&world, "INSERT INTO c VALUES (1, 99)");
        (database, world)
    };
    let (_, world) = with_an_orphan();
    world.file("db/shop/2##dml##x.sql", "INSERT INTO p VALUES (1);\n");
    world.file("db/shop/3##dml##x.sql", "DELETE FROM c;\n");
    world.file("db/shop/4##dml##x.sql", "INSERT INTO c VALUES (2, 77);\n");
    world.send("an orphan goes and another one comes").says(&["applied 3 dml", "failed 4 dml", broken]);
    let (_, world) = with_an_orphan();
    world.file("db/shop/2##dml##x.sql", "DELETE FROM c WHERE id = 1;\nINSERT INTO c VALUES (2, 77);\n");
    world.send("in one file").says(&["failed 2 dml", broken]);
    let (_, world) = on(Engine::Sqlite);
    world.migration("1", TABLES);
    world.send("tables").ok();
    world.file("db/shop/2##dml##x.sql", "PRAGMA case_sensitive_like = ON;\nINSERT INTO c VALUES (1, 99);\n");
    world.send("whatever LIKE means").says(&["failed 2 dml", broken]);
}

#[test]
fn the_lock_is_held_from_one_session_to_the_next() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        world.migration("1", "CREATE TABLE a (id INT);\n");
        world.send("a").ok();
        world.apply_nothing();
        for number in 2..80 {
            world.file(
                &format!("db/shop/{number}##dml##x.sql"),
                &format!("SET @n = {number};\nINSERT INTO a VALUES (@n);\n"),
            );
        }
        world.send("all").ok();
        for run in [(); 3].map(|()| world.begin_apply()) {
            let output = run.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        assert_eq!(database.ask(&world, "SELECT count(*), count(DISTINCT id) FROM a"), "78|78");
    }
}

#[test]
fn what_triggers_and_functions_tell_a_session_ends_with_the_file() {
    let (database, world) = on(Engine::Postgres);
    world.migration(
        "1",
        "CREATE SCHEMA other;\nCREATE TABLE log (v TEXT);\nCREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         PERFORM set_config('search_path', 'other', false); RETURN NEW; END $$;\nCREATE TRIGGER t AFTER INSERT ON log FOR \
         EACH ROW EXECUTE FUNCTION f();\nCREATE FUNCTION g() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN\n  SET search_path = \
         other;\n  RETURN 1; END $$;\n",
    );
    world.file("db/shop/2##dml##rows.sql", "INSERT INTO public.log VALUES ('a');\n");
    world.migration("3", "CREATE TABLE c (id INTEGER);\n");
    world.migration("4", "CREATE TABLE public.d AS SELECT g();\n");
    world.migration("5", "CREATE TABLE e (id INTEGER);\n");
    world.migration("6", "SELECT pg_advisory_lock(7);\n");
    world.migration(
        "7",
        "CREATE TABLE m AS SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND database = \
         (SELECT oid FROM pg_database WHERE datname = current_database());\n",
    );
    world.send("all").says(&["7 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT to_regclass('public.c'), to_regclass('public.e')"), "c|e");
    assert_eq!(database.ask(&world, "SELECT n FROM m"), "0");
}

#[test]
fn what_the_last_statement_of_a_file_made_is_not_known_to_the_next() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        database.ask(&world, "CREATE TABLE u (id INT AUTO_INCREMENT PRIMARY KEY, v INT); CREATE TABLE c (id INT)");
        world.file("db/shop/2##dml##x.sql", "INSERT INTO u (v) VALUES (1);\n");
        world.file("db/shop/3##dml##x.sql", "INSERT INTO c VALUES (LAST_INSERT_ID());\n");
        world.send("both").says(&["2 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT id FROM c"), "0");
    }
}

#[test]
fn rights_of_several_accounts_may_change_in_part_and_that_is_said() {
    let (database, world) = on(Engine::Mariadb);
    let (name, one) = (database.name(), format!("one_{}", database.name()));
    database.ask(&world, &format!("CREATE USER {one}@localhost"));
    world.migration("1", &format!("GRANT SELECT ON {name}.* TO {one}@localhost, nobody_there@localhost;\n"));
    world.send("two accounts").says(&["statement 1 may have done a part of its work"]);
}

#[test]
fn a_record_that_somebody_holds_up_is_waited_for_behind_what_ran() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        world.migration("1", "CREATE TABLE a (id INT);\nDELIMITER //\nCREATE PROCEDURE p() BEGIN INSERT INTO a VALUES (1); DO SLEEP(3); END//\nDELIMITER ;\n");
        world.send("a").ok();
        world.write_server_file(&keys(&database, "lock-timeout = \"1s\"", ""));
        world.migration("2", "CALL p();\nCREATE TABLE b (id INT);\n");
        let mut holder = None;
        let hold = "START TRANSACTION; SELECT * FROM schemagate_migration FOR UPDATE; DO SLEEP(6); COMMIT";
        let done = beside(&world, 1500, || holder = Some(meanwhile(&database, &world, hold)));
        done.says(&["retrying db/shop/2##ddl##change.sql: statement 1", "1 applied now"]).ok();
        holder.map(|mut holder: Child| holder.wait().unwrap());
        assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "1");
    }
}

#[test]
fn what_is_forgotten_does_not_run_under_another_version_either() {
    on_all(|database, world| {
        world.migration("1", "CREATE TABLE a (id INTEGER);\n");
        let path = world.file("db/shop/2##dml##rows.sql", "INSERT INTO a VALUES (1);\n");
        world.send("a").ok();
        world.on_server(&["resolve", "2", "--forget", "--yes"]).ok();
        world.in_clone(&["mv", &path, "db/shop/3##dml##rows.sql"]).ok();
        world
            .send("moved")
            .says(&["has the same bytes as version 2 dml, which was forgotten here, so it does not run"])
            .ok();
        assert_eq!(database.ask(world, "SELECT count(*) FROM a"), "1");
        // Other content under its version, from another path: the command that is said works.
        world.file("db/shop/2##dml##other.sql", "INSERT INTO a VALUES (2);\n");
        let help = format!("schemagate resolve '{path}' -e dev -d shop --not-applied");
        world.without_hooks(|| world.send("other").ok());
        world.on_server(&["apply"]).refused(&["was forgotten here", &help]);
        world.run(&world.server(), &["resolve", &path, "--not-applied", "--yes"]).says(&["done: "]).ok();
        let mut again = world.command(PROGRAM, &world.server());
        assert!(again.arg("apply").output().unwrap().status.success());
        assert_eq!(database.ask(world, "SELECT count(*) FROM a"), "3");
    });
}
