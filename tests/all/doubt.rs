//! What a database may have done in part, or a session may have kept: it is said, and nothing runs twice because of it.

use crate::databases::{Database, Engine};
use crate::support::World;

/// A database, and a world in which every kind of statement may stand in every file.
pub(crate) fn on(engine: Engine) -> (Database, World) {
    let database = engine.database();
    let world = World::new(&format!("{}{}", database.manifest(), crate::reviews::no_review()), &database.server_file());
    (database, world)
}

/// Runs a scenario on MariaDB, and on MySQL where this run has one.
fn on_mysqls(scenario: impl Fn(&Database, &World)) {
    for engine in Engine::mysqls() {
        println!("on {engine:?}");
        let (database, world) = on(engine);
        scenario(&database, &world);
    }
}

fn history(database: &Database, world: &World, version: &str) -> String {
    let sql = format!(
        "SELECT state, mode, statements_done, statement_open FROM {} WHERE version = '{version}'",
        database.history("migration")
    );
    database.ask(world, &sql)
}

#[test]
fn a_routine_that_committed_on_its_way_is_never_called_again_by_itself() {
    let codes = ["SIGNAL SQLSTATE '45000'", "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1205"];
    for (engine, code) in Engine::mysqls().into_iter().flat_map(|engine| codes.map(|code| (engine, code))) {
        let (database, world) = on(engine);
        let body = format!("INSERT INTO a VALUES (1); COMMIT; {code};");
        world.migration(
            "1",
            &format!("CREATE TABLE a (id INT);\nDELIMITER //\nCREATE PROCEDURE p() BEGIN {body} END//\nDELIMITER ;\n"),
        );
        world.migration("2", "CALL p();\nCREATE TABLE b (id INT);\n");
        world.send("calls").says(&["FAILED", "statement 1 may have done a part of its work", "--from 2"]);
        assert_eq!(history(&database, &world, "2"), "failed|journal|0|1");
        world.on_server(&["apply"]).says(&["whether it took effect is not known"]);
        assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "1");
        world.on_server(&["resolve", "2", "--from", "2", "--yes"]).ok();
        world.on_server(&["apply"]).says(&["1 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "1");
    }
}

#[test]
fn a_block_without_a_routine_is_never_run_again_by_itself() {
    let (database, world) = on(Engine::Mariadb);
    world.migration("1", "CREATE TABLE a (id INT);\n");
    world.migration("2", "DELIMITER //\nBEGIN NOT ATOMIC INSERT INTO a VALUES (1); COMMIT; SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213; END//\nDELIMITER ;\n");
    world.send("block").says(&["FAILED", "statement 1 may have done a part of its work"]);
    world.on_server(&["apply"]).says(&["whether it took effect is not known"]);
    assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "1");
}

#[test]
fn tables_without_transactions_are_changed_once() {
    on_mysqls(|database, world| {
        world.migration("1", "CREATE TABLE m (id INT) ENGINE = MyISAM;\nCREATE TABLE t (id INT PRIMARY KEY);\n");
        world.file(
            "db/shop/1##dml##rows.sql",
            "INSERT INTO t VALUES (1);\nINSERT INTO m VALUES (1);\nINSERT INTO t VALUES (1);\n",
        );
        world.send("one").says(&["FAILED", "statements 1 to 2 of this file ran and stay"]);
        assert_eq!(database.ask(world, "SELECT count(*) FROM m"), "1");
        world.file(
            "db/shop/1##dml##rows.sql",
            "INSERT INTO t VALUES (1);\nINSERT INTO m VALUES (1);\nINSERT INTO t VALUES (2);\n",
        );
        world.send("mended").says(&["1 applied now"]).ok();
        assert_eq!(database.ask(world, "SELECT (SELECT count(*) FROM m), (SELECT count(*) FROM t)"), "1|2");
    });
}

#[test]
fn what_a_rollback_could_not_take_back_is_said() {
    on_mysqls(|database, world| {
        let hidden = crate::traps::hidden_table(database, world);
        world.file("db/shop/1##dml##rows.sql", "INSERT INTO t VALUES (1);\nINSERT INTO t VALUES (1);\n");
        world.send("one").says(&["FAILED", "changed tables without transactions and may stay in part"]);
        let rows = format!("SELECT (SELECT count(*) FROM {hidden}), (SELECT count(*) FROM t)");
        assert_eq!(database.ask(world, &rows), "1|0");
        assert_eq!(
            database.ask(world, "SELECT state, statement_open FROM schemagate_migration WHERE kind = 'dml'"),
            "failed|2"
        );
        world.on_server(&["apply"]).says(&["whether it took effect is not known"]);
        assert_eq!(database.ask(world, &rows), "1|0");
    });
}

#[test]
fn several_tables_are_dropped_one_by_one_and_that_is_said() {
    on_mysqls(|database, world| {
        world.migration("1", "CREATE TABLE a (id INT);\n");
        world.migration("2", "DROP TABLE a, nowhere;\n");
        // MySQL drops all or none (manual, "Atomic Data Definition Statement Support").
        let mysql = database.engine == Engine::Mysql;
        let said = if mysql { "no statement of this file ran" } else { "statement 1 may have done a part of its work" };
        world.send("drops").says(&["FAILED", said]);
        assert_eq!(history(database, world, "2"), if mysql { "failed|journal|0|0" } else { "failed|journal|0|1" });
        let left =
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND table_name = 'a'";
        assert_eq!(database.ask(world, left), if mysql { "1" } else { "0" });
    });
}

#[test]
fn a_setting_that_cannot_be_made_again_loses_nothing() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TEXT SEARCH CONFIGURATION mine (COPY = english);\nCREATE TABLE a (id INTEGER);\n");
    world.migration(
        "2",
        "SET default_text_search_config = 'mine';\nINSERT INTO a VALUES (1);\nCREATE INDEX CONCURRENTLY i ON a (x);\n",
    );
    world.send("fails").says(&["FAILED", "2##ddl##change.sql:3"]);
    assert_eq!(history(&database, &world, "2"), "failed|journal|2|0");
    database.ask(&world, "DROP TEXT SEARCH CONFIGURATION mine");
    world.on_server(&["apply"]).says(&["a new session needs this setting again", "nothing ran now"]);
    assert_eq!(history(&database, &world, "2"), "failed|journal|2|0");
    database.ask(&world, "CREATE TEXT SEARCH CONFIGURATION mine (COPY = english); ALTER TABLE a ADD COLUMN x INTEGER");
    world.on_server(&["apply"]).says(&["1 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "1");
}

#[test]
fn what_a_new_session_lacks_is_named() {
    on_mysqls(|database, world| {
        world.migration(
            "1",
            "CREATE TABLE a (id INT);\nSELECT count(*) INTO @n FROM a;\nALTER TABLE nowhere ADD x INT;\nINSERT INTO a VALUES (@n);\n",
        );
        world.send("fails").says(&["FAILED", "1##ddl##change.sql:3"]);
        world.migration(
            "1",
            "CREATE TABLE a (id INT);\nSELECT count(*) INTO @n FROM a;\nALTER TABLE a ADD x INT;\nINSERT INTO a (id) VALUES (@n);\n",
        );
        world.send("mends").says(&["the remaining ones use what it left in its session: the variable @n", "--applied"]);
        assert_eq!(database.ask(world, "SELECT count(*) FROM a"), "0");
    });
}

#[test]
fn the_catalogue_is_asked_under_the_settings_of_the_file() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE SCHEMA other;\nCREATE TABLE other.a (id INTEGER);\n");
    world.migration("2", "SET search_path = other;\nCREATE INDEX CONCURRENTLY \"i\"\"x\" ON a (id);\n");
    world.send("both").says(&["2 applied now"]).ok();
    database.ask(
        &world,
        "UPDATE schemagate.schemagate_migration SET seal = '', state = 'running', statements_done = 1, statement_open = 2 WHERE version = '2'",
    );
    world.on_server(&["apply"]).says(&["what it makes is there", "1 applied now"]).ok();
    assert_eq!(history(&database, &world, "2"), "applied|journal|2|0");
}

#[test]
fn a_file_whose_remaining_statements_were_deleted_is_finished() {
    on_mysqls(|database, world| {
        world.migration("1", "CREATE TABLE a (id INT);\nINSERT INTO a VALUES (1);\nALTER TABLE nowhere ADD x INT;\n");
        world.send("fails").says(&["FAILED", "statements 1 to 2 of this file ran and stay"]);
        world.migration("1", "CREATE TABLE a (id INT);\nINSERT INTO a VALUES (1);\n");
        world.send("mends").says(&["1 applied now"]).ok();
        assert_eq!(history(database, world, "1"), "applied|journal|2|0");
    });
}

#[test]
fn people_may_let_a_file_go_on_from_a_statement_where_all_ran_in_one_transaction() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE a (id INTEGER);\nALTER TABLE nowhere ADD x INTEGER;\n");
    world.send("fails").says(&["nothing of this file stays"]);
    database.ask(&world, "CREATE TABLE a (id INTEGER); CREATE TABLE nowhere (id INTEGER)");
    world.on_server(&["resolve", "1", "--from", "2", "--yes"]).says(&["goes on with statement 2"]).ok();
    world.on_server(&["apply"]).says(&["from statement 2", "1 applied now"]).ok();
}

#[test]
fn what_a_file_leaves_in_its_session_ends_with_it() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TEMP TABLE a (id INTEGER);\nPREPARE p AS SELECT 1;\nSET work_mem = '5MB';\n");
    world.migration("2", "CREATE TABLE a (id INTEGER);\nPREPARE p AS SELECT 2;\nCREATE TABLE s AS SELECT current_setting('work_mem') AS w, current_setting('client_connection_check_interval', true) AS c;\n");
    world.send("both").says(&["2 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT to_regclass('public.a')"), "a");
    // The second setting is there since release 14.
    let answer = database.ask(&world, "SELECT w, coalesce(c, '2s') FROM s");
    assert_eq!(answer, "4MB|2s");
    on_mysqls(|database, world| {
        let limit = if database.engine == Engine::Mysql { "max_execution_time" } else { "max_statement_time" };
        world
            .migration("1", "-- schemagate: statement-timeout = 7s\nCREATE TEMPORARY TABLE a (id INT);\nSET @n = 1;\n");
        let rows = format!(
            "CREATE TABLE a (id INT);\nCREATE TABLE s (n INT, t DOUBLE);\nINSERT INTO s VALUES (@n, @@{limit});\n"
        );
        world.migration("2", &rows);
        world.send("both").says(&["2 applied now"]).ok();
        assert_eq!(database.ask(world, "SELECT count(*) FROM a"), "0");
        assert_eq!(database.ask(world, "SELECT * FROM s"), "NULL|0");
    });
    let (database, world) = on(Engine::Sqlite);
    world.migration("1", "CREATE TEMP TABLE a (id INTEGER);\nPRAGMA case_sensitive_like = ON;\n");
    world.migration("2", "CREATE TABLE a (id INTEGER);\nCREATE TABLE s AS SELECT 'a' LIKE 'A' AS l;\n");
    world.send("both").says(&["2 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT (SELECT count(*) FROM a), l FROM s"), "0|1");
}

#[test]
fn a_copy_without_rows_copies_none_and_one_to_the_client_is_refused() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.file("db/shop/1##dml##rows.sql", "INSERT INTO a VALUES (1);\nCOPY a FROM STDIN;\n");
    world.send("empty").says(&["2 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "1");
    world.file("db/shop/2##dml##out.sql", "COPY a TO STDOUT;\n");
    world.send("out").says(&["COPY ... TO STDOUT writes to a client, and there is none"]);
}

#[test]
fn edited_rows_of_a_copy_that_ran_are_noticed() {
    let (_database, world) = on(Engine::Postgres);
    let text = |row: &str, last: &str| {
        format!(
            "CREATE TABLE a (id INTEGER);\nCOPY a FROM STDIN;\n{row}\n\\.\nCREATE INDEX CONCURRENTLY i ON a ({last});\n"
        )
    };
    world.migration("1", &text("1", "nope"));
    world.send("fails").says(&["FAILED", "statements 1 to 2 of this file ran and stay"]);
    world.migration("1", &text("2", "id"));
    world.send("edits").refused(&["released-edited", "it has run on dev/shop"]);
    world.migration("1", &text("1", "id"));
    world.send("mends").says(&["1 applied now"]).ok();
}

#[test]
fn a_commit_that_the_server_refuses_is_a_failure_of_the_file() {
    let (database, world) = on(Engine::Postgres);
    world.migration(
        "1",
        "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (p INTEGER REFERENCES p DEFERRABLE INITIALLY DEFERRED);\n",
    );
    world.file("db/shop/1##dml##rows.sql", "INSERT INTO c VALUES (1);\n");
    let said =
        world.send("orphans").says(&["FAILED", "the commit was refused", "c_p_fkey", "nothing of this file stays"]);
    assert!(!said.text.contains("UNREACHABLE"), "{}", said.text);
    assert_eq!(database.ask(&world, "SELECT state FROM schemagate.schemagate_migration WHERE kind = 'dml'"), "failed");
}

#[test]
fn a_setting_of_a_target_may_be_a_list() {
    let (database, world) = on(Engine::Postgres);
    database.ask(&world, "CREATE SCHEMA one; CREATE SCHEMA two");
    world.write_server_file(&format!("{}[target.session]\nsearch_path = \"one, two\"\n", database.server_file()));
    world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.send("one").says(&["1 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT to_regclass('one.a')"), "one.a");
}

#[test]
fn what_may_be_half_done_may_not_come_again_under_another_version() {
    on_mysqls(|database, world| {
        world.migration("1", "CREATE TABLE a (id INT);\nDELIMITER //\nCREATE PROCEDURE p() BEGIN INSERT INTO a VALUES (1); COMMIT; INSERT INTO nope VALUES (1); END//\nDELIMITER ;\n");
        let path = world.migration("2", "CALL p();\n");
        world.send("calls").says(&["may have done a part of its work"]);
        world.in_clone(&["mv", &path, &path.replace("/2##", "/3##")]).ok();
        world.send("moved").refused(&["it has run on dev/shop"]);
        assert_eq!(database.ask(world, "SELECT count(*) FROM a"), "1");
    });
}

#[test]
fn what_a_file_told_its_session_does_not_hide_what_ran() {
    on_mysqls(|database, world| {
        world.migration("1", "CREATE TABLE a (id INT);\n");
        let path = "db/shop/1##dml##rows.sql";
        world.file(path, "INSERT INTO a VALUES (7);\n");
        world.file("db/shop/2##dml##rows.sql", "SET sql_select_limit = 1;\nINSERT INTO a VALUES (8);\n");
        world.send("limits").says(&["3 applied now"]).ok();
        world.in_clone(&["mv", path, "db/shop/3##dml##rows.sql"]).ok();
        world.send("moved").refused(&["it has run on dev/shop"]);
        assert_eq!(database.ask(world, "SELECT count(*) FROM a"), "2");
    });
}

#[test]
fn a_mistake_in_a_statement_of_its_own_is_mended_by_a_push() {
    let (_database, world) = on(Engine::Postgres);
    world.migration("1", "-- schemagate: no-transaction\nSELECT nope();\n");
    world.send("typo").says(&["FAILED", "no statement of this file ran"]);
    world.migration("1", "-- schemagate: no-transaction\nSELECT now();\n");
    world.send("mended").says(&["1 applied now"]).ok();
}

#[test]
fn a_drop_is_never_repeated_along_the_search_path() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE SCHEMA other;\nCREATE TABLE a (id INTEGER);\nCREATE INDEX i ON a (id);\nCREATE TABLE other.a (id INTEGER);\nCREATE INDEX i ON other.a (id);\n");
    world.migration("2", "SET search_path = other, public;\nDROP INDEX CONCURRENTLY i;\n");
    world.send("both").says(&["2 applied now"]).ok();
    let killed = "UPDATE schemagate.schemagate_migration SET seal = '', state = 'running', statements_done = 1, statement_open = 2 WHERE version = '2'";
    database.ask(&world, killed);
    world.on_server(&["apply"]).refused(&["whether it took effect is not known"]);
    assert_eq!(database.ask(&world, "SELECT to_regclass('public.i')"), "i");
}

#[test]
fn an_index_of_another_table_is_neither_taken_for_ours_nor_dropped() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE SCHEMA other;\nCREATE TABLE other.b (id INTEGER);\nCREATE INDEX i ON other.b (id);\nCREATE TABLE a (id INTEGER);\n");
    world.send("tables").ok();
    database.ask(&world, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'other.i'::regclass");
    world.migration("2", "SET search_path = other, public;\nCREATE INDEX CONCURRENTLY i ON a (id);\n");
    let said = world.send("index").says(&["1 applied now"]).ok();
    assert!(!said.contains("left invalid"), "{said}");
    assert_eq!(database.ask(&world, "SELECT to_regclass('other.i'), to_regclass('public.i')"), "other.i|i");
}

#[test]
fn what_people_call_applied_is_what_the_file_says_now() {
    on_mysqls(|database, world| {
        world.migration("1", "CREATE TABLE a (id INT);\nALTER TABLE nowhere ADD x INT;\n");
        world.send("fails").says(&["FAILED"]);
        world.migration("1", "CREATE TABLE a (id INT);\nALTER TABLE a ADD x INT;\n");
        world.apply_nothing();
        world.send("mended").ok();
        database.ask(world, "ALTER TABLE a ADD x INT");
        world.on_server(&["resolve", "1", "--applied", "--yes"]).says(&["done"]).ok();
        world.on_server(&["apply"]).says(&["up to date, 1 applied"]).ok();
    });
}

#[test]
fn references_of_sqlite_are_looked_at_before_the_commit_only() {
    let (database, world) = on(Engine::Sqlite);
    world.migration("1", "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (p INTEGER REFERENCES p (id));\n");
    world.file("db/shop/1##dml##rows.sql", "VACUUM;\nINSERT INTO c VALUES (1);\nINSERT INTO p VALUES (1);\n");
    world.send("both").says(&["2 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT count(*) FROM c"), "1");
}

#[test]
fn a_message_of_a_trigger_cannot_mislead_the_place() {
    on_mysqls(|database, world| {
        world.migration("1", "CREATE TABLE a (id INT);\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'x near ''y'' at line 0';\n");
        world.file("db/shop/1##dml##rows.sql", "INSERT INTO a VALUES (1);\n");
        world.send("fires").says(&["FAILED", "1##dml##rows.sql:1:1", "x near 'y' at line 0"]);
        assert_eq!(database.ask(world, "SELECT state FROM schemagate_migration WHERE kind = 'dml'"), "failed");
    });
}

#[test]
fn a_setting_of_the_server_is_never_set_twice() {
    on_mysqls(|database, world| {
        let before: u64 = database.ask(world, "SELECT @@GLOBAL.max_connect_errors").parse().unwrap();
        world.file(
            "db/shop/1##dml##rows.sql",
            "SET @@GLOBAL.max_connect_errors = @@GLOBAL.max_connect_errors + 10;\nINSERT INTO nowhere VALUES (1);\n",
        );
        world.send("fails").says(&["FAILED", "statement 1 of this file ran and stays"]);
        database.ask(world, "CREATE TABLE nowhere (id INT)");
        world.on_server(&["apply"]).says(&["1 applied now"]).ok();
        assert_eq!(database.ask(world, "SELECT @@GLOBAL.max_connect_errors"), (before + 10).to_string());
    });
}

#[test]
fn what_a_called_function_changes_ends_with_its_file() {
    let (database, world) = on(Engine::Postgres);
    world.migration(
        "1",
        "CREATE SCHEMA other;\nCREATE TABLE log (v TEXT);\nCREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT set_config('search_path', 'other', false) $$;\n",
    );
    world.file("db/shop/2##dml##rows.sql", "INSERT INTO public.log SELECT public.f();\n");
    world.migration("3", "CREATE TABLE c (id INTEGER);\n");
    world.send("all").says(&["3 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT to_regclass('public.c')"), "c");
}
