//! What a file does is what the engine's own client does with it, alone or among the files of one push.

use crate::databases::{Database, Engine};
use crate::doubt::on;
use crate::support::World;

fn dml(world: &World, version: &str, text: &str) {
    world.file(&format!("db/shop/{version}##dml##x.sql"), text);
}

#[test]
fn what_a_file_leaves_in_its_session_never_reaches_the_next_one_of_its_push() {
    for engine in Engine::all() {
        let database: Database = engine.database();
        let world = World::new(&database.manifest(), &format!("{}atomic = \"push\"\n", database.server_file()));
        world.commit("manifest");
        world.push().ok();
        world.migration("1", "CREATE TABLE t (a VARCHAR(40));\n");
        world.send("table").ok();
        match engine {
            Engine::Postgres => {
                dml(&world, "2", "CREATE TEMP TABLE t (a TEXT);\nSET TimeZone = 'Asia/Tokyo';\n");
                dml(&world, "3", "INSERT INTO t SELECT current_setting('TimeZone') <> 'Asia/Tokyo';\n");
            }
            Engine::Sqlite => {
                dml(&world, "2", "CREATE TEMP TABLE t (a);\nPRAGMA recursive_triggers = ON;\n");
                dml(
                    &world,
                    "3",
                    "INSERT INTO t SELECT 'true' FROM pragma_recursive_triggers WHERE recursive_triggers = 0;\n",
                );
            }
            _ => {
                dml(&world, "2", "SET @x = 5, time_zone = '+09:00';\nINSERT INTO t SELECT 'x' FROM t WHERE FALSE;\n");
                dml(
                    &world,
                    "3",
                    "INSERT INTO t SELECT 'true' FROM DUAL WHERE @x IS NULL AND @@time_zone <> '+09:00';\n",
                );
            }
        }
        dml(&world, "4", "INSERT INTO t VALUES ('last');\n");
        world.without_hooks(|| world.send("three").ok());
        let why = "`db/shop/2##dml##x.sql` may change its session, so it runs by itself";
        world.on_server(&["apply"]).says(&[why, "3 applied now, 4 in all"]).ok();
        assert_eq!(database.ask(&world, "SELECT a FROM t ORDER BY a"), "last\ntrue", "{engine:?}");
    }
}

#[test]
fn references_are_enforced_where_the_head_of_a_file_says_so() {
    let (database, world) = on(Engine::Sqlite);
    let tables = "CREATE TABLE p (id INTEGER PRIMARY KEY, n TEXT);\nCREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER \
                  REFERENCES p (id) ON DELETE CASCADE);\n";
    world.migration("1", tables);
    dml(&world, "2", "INSERT INTO p VALUES (1, 'a'), (2, 'b');\nINSERT INTO c VALUES (1, 1), (2, 2);\n");
    dml(&world, "3", "PRAGMA foreign_keys = ON;\nREPLACE INTO p VALUES (1, 'new');\n");
    dml(&world, "4", "REPLACE INTO p VALUES (2, 'new');\n");
    world.send("rows").says(&["4 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT id FROM c"), "2", "the first goes with its parent, the second stays");
    dml(&world, "5", "DELETE FROM c WHERE id = 9;\nPRAGMA foreign_keys = ON;\nDELETE FROM p WHERE id = 2;\n");
    world.send("in the middle").refused(&["pragma-in-vain", "5##dml##x.sql:2:1", "put it at the head of the file"]);
    world.without_hooks(|| world.push().ok());
    world.on_server(&["apply"]).refused(&["line 2: inside of a transaction PRAGMA foreign_keys does nothing"]);
    // Off for a rebuild, and on again at the end: as it is anyway.
    dml(
        &world,
        "5",
        "DELETE FROM c WHERE id = 9;\nPRAGMA foreign_keys = OFF;\nDELETE FROM c WHERE id = 8;\nPRAGMA foreign_keys = ON;\n",
    );
    world.send("around").says(&["1 applied now"]).ok();
}

#[test]
fn what_a_file_asks_about_rows_before_knows_nothing_of_ours() {
    let (database, world) = on(Engine::Sqlite);
    world.migration("1", "CREATE TABLE t (a INTEGER PRIMARY KEY, b INT);\n");
    dml(&world, "2", "INSERT INTO t VALUES (7, last_insert_rowid() + total_changes());\n");
    dml(&world, "3", "INSERT INTO t VALUES (8, last_insert_rowid());\n");
    world.send("rows").says(&["3 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT b FROM t ORDER BY a"), "0\n0");
}

#[test]
fn a_checkpoint_runs_by_itself() {
    let (_, world) = on(Engine::Sqlite);
    world.migration("1", "CREATE TABLE t (a INTEGER PRIMARY KEY);\nPRAGMA wal_checkpoint(TRUNCATE);\n");
    let said = world.send("checkpoint").says(&["1 applied now"]).ok();
    assert!(!said.contains("retrying"), "{said}");
}

#[test]
fn what_counts_for_later_logins_counts_for_the_next_file() {
    let (database, world) = on(Engine::Postgres);
    let name = database.name();
    world.migration("1", &format!("CREATE SCHEMA app;\nALTER DATABASE {name} SET search_path = app;\n"));
    world.migration("2", "CREATE TABLE t (a INTEGER);\n");
    world.without_hooks(|| world.send("both").ok());
    world.on_server(&["apply"]).says(&["2 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT schemaname FROM pg_tables WHERE tablename = 't'"), "app");
}

#[test]
fn lines_end_as_the_clients_end_them() {
    for engine in Engine::all() {
        let (database, world) = on(engine);
        world.migration("1", "CREATE TABLE t (a VARCHAR(20));\r\n");
        dml(&world, "2", "INSERT INTO t VALUES ('a\r\nb');\r\nINSERT INTO t\r\nVALUES ('c');\r\n");
        world.send("lines").says(&["2 applied now"]).ok();
        let stored = if engine == Engine::Postgres { "4" } else { "3" };
        assert_eq!(database.ask(&world, "SELECT max(length(a)) FROM t"), stored, "{engine:?}");
    }
}

#[test]
fn what_the_log_of_changes_has_is_said_outside_of_transactions() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        let text = "SET @old = @@SESSION.SQL_LOG_BIN;\nSET @@SESSION.SQL_LOG_BIN= 0;\nCREATE TABLE t (a INT);\nSET \
                    TRANSACTION ISOLATION LEVEL READ COMMITTED;\nDELIMITER '//'\nINSERT INTO t VALUES (1)//\nDELIMITER ;\n";
        world.migration("1", text);
        world.without_hooks(|| world.send("log").ok());
        world.on_server(&["apply"]).says(&["1 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT a FROM t"), "1", "{engine:?}");
    }
}

#[test]
fn what_only_a_client_can_do_is_refused_where_it_stands() {
    let (_, world) = on(Engine::Mariadb);
    world.migration("1", "CREATE TABLE c (id INT);\n");
    dml(&world, "2", "LOAD DATA LOCAL INFILE 'x' INTO TABLE c;\n");
    world.send("reads").refused(&["client-file", "2##dml##x.sql:1:1"]);
    dml(&world, "2", "INSERT INTO c VALUES (1);\nSELECT RELEASE_ALL_LOCKS();\n");
    world.send("releases").refused(&["lock-given-away", "2##dml##x.sql:2:8"]);
}

#[test]
fn a_rest_that_needs_its_session_says_so_at_once() {
    let (_, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE a (i INTEGER, t TEXT);\n");
    let text = "CREATE TEMP TABLE tmp AS SELECT 1 AS x;\nCREATE INDEX CONCURRENTLY ix ON a (i);\nINSERT INTO a SELECT x, 't' \
                FROM tmp;\nINSERT INTO a VALUES (1, 2, 3);\n";
    dml(&world, "2", text);
    world.without_hooks(|| world.send("needs").ok());
    world
        .on_server(&["apply"])
        .refused(&["the rest uses what ended with this session (the temporary table tmp)", "--applied"]);
}

#[test]
fn what_is_put_to_people_stays_so_in_the_status() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        world.migration("1", "CREATE TABLE a (i INT);\n");
        world.migration("2", "CREATE TABLE b SELECT * FROM a;\nCREATE TABLE c (i INT);\n");
        world.send("two").ok();
        let cut = "UPDATE schemagate_migration SET seal = '', state = 'running', statements_done = 0, statement_open = 1 \
                   WHERE version = '2'";
        database.ask(&world, cut);
        world.on_server(&["apply"]).refused(&["whether it took effect is not known", "resolve"]);
        world.on_server(&["status"]).refused(&["FAILED", "whether it took effect is not known", "resolve"]);
        world.on_server(&["resolve", "2", "--from", "2", "--yes"]).ok();
        database.ask(&world, "DROP TABLE c");
        world.on_server(&["apply"]).says(&["1 applied now"]).ok();
    }
}

#[test]
fn the_status_names_the_remedy_that_the_push_named() {
    for engine in Engine::servers() {
        let (_, world) = on(engine);
        world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
        dml(&world, "2", "INSERT INTO a VALUES (3), (3);\n");
        let remedy = "its rows are equal to each other, or to rows that are there, where they must differ";
        world.send("twice").says(&["FAILED", remedy, "mend the file"]);
        world.on_server(&["status"]).refused(&["FAILED", remedy, "mend the file"]);
    }
}
