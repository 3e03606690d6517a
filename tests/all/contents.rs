//! What reaches a server is what the file says, to the last character; what it does to its session is no dead end.

use crate::databases::Engine;
use crate::doubt::on;
use crate::many::tenants_world;
use crate::traps::history;

#[test]
fn rows_of_copy_keep_their_last_value() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE a (id INTEGER, t TEXT);\n");
    world.file("db/shop/2##dml##rows.sql", "COPY a (id, t) FROM STDIN;\n1\tx\n2\tend\\\\.\n");
    world.file("db/shop/3##dml##rows.sql", "COPY a (id, t) FROM STDIN WITH (FORMAT csv);\n7,a\\.\n");
    world.file("db/shop/4##dml##rows.sql", "COPY a (id, t) FROM STDIN;\n8\ty\n\\.\nINSERT INTO a VALUES (9, 'z');\n");
    world.file("db/shop/5##dml##rows.sql", "COPY a (id, t) FROM STDIN;\n10\t\n11\tblanks  \n");
    world.send("rows").says(&["5 applied now"]).ok();
    let values = "SELECT string_agg('<' || t || '>', ' ' ORDER BY id) FROM a";
    assert_eq!(database.ask(&world, values), "<x> <end\\.> <a\\.> <y> <z> <> <blanks  >");
}

#[test]
fn a_table_may_be_called_stdin() {
    let (database, world) = on(Engine::Postgres);
    let file = std::env::temp_dir().join(format!("{}.out", database.name()));
    world.migration("1", "CREATE TABLE stdin (id INTEGER);\nINSERT INTO stdin VALUES (5);\n");
    world.file(
        "db/shop/2##dml##out.sql",
        &format!("COPY (SELECT id FROM stdin) TO '{0}';\nCOPY stdin FROM '{0}';\n", file.display()),
    );
    world.send("out").says(&["2 applied now"]);
    assert_eq!(database.ask(&world, "SELECT count(*) FROM stdin"), "2");
}

#[test]
fn a_data_change_holds_what_its_block_says() {
    for engine in Engine::all() {
        let server = engine.database();
        let url = server.url.replace(server.name(), "{{database}}");
        let keys = format!("url = \"{url}\"\ndatabases = [\"{}\"]", server.name());
        let world = tenants_world(engine.dialect(), &keys);
        world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY, t VARCHAR(90));\n");
        let change = format!(
            "databases:\n  - name: {}\nstatement: |\n    INSERT INTO a VALUES (1, 'one\n    two\n\n      three');\n    INSERT INTO \
             a\n      VALUES (1, 'x');\n",
            server.name()
        );
        let path = world.file("db/2##dml##x.yml", &change);
        // Its places are those of the file.
        world.send("fails").says(&["FAILED", &format!("{path}:8:")]);
        let mended = change.replace("VALUES (1, 'x')", "VALUES (2, 'x')");
        world.file("db/2##dml##x.yml", &mended);
        world.send("mended").says(&["1 applied"]).ok();
        let value = "SELECT replace(t, '\n', '|') FROM a WHERE id = 1";
        assert_eq!(server.ask(&world, value), "one|two||  three", "{engine:?}");
        // Less of the blanks for YAML is more of them in the value.
        world.file("db/2##dml##x.yml", &mended.replace("statement: |", "statement: |2"));
        world.commit("indented");
        world.push().refused(&["released-edited"]);
    }
}

#[test]
fn a_data_change_holds_no_rows_of_copy() {
    let world = tenants_world("postgres", "url = \"postgres://x@localhost/{{database}}\"\ndatabases = [\"one\"]");
    let change =
        "databases:\n  - name: one\nstatement: |\n  COPY a (t) FROM STDIN;\n  x\n  \\.\n  INSERT INTO b VALUES (1);\n";
    world.file("db/2##dml##x.yml", change);
    world.commit("rows");
    world.push().refused(&["rows of COPY cannot stand in a data change"]);
}

#[test]
fn a_comment_for_a_newer_release_than_the_declared_one_reaches_the_server() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        let (declared, comment) = match engine {
            Engine::Mariadb => ("10.6", "/*M!100800 CREATE TABLE v (id INT) */"),
            _ => ("8.0", "/*!80100 CREATE TABLE v (id INT) */"),
        };
        let behind = comment.replace("CREATE TABLE v (id INT)", "COMMENT = 'hello'");
        let manifest = database.manifest().replace("dialect =", &format!("version = \"{declared}\"\ndialect ="));
        world.file("schemagate.toml", &manifest);
        let text = format!("{comment};\nCREATE TABLE w (id INT) {behind};\n/*!99999 CREATE TABLE x (id INT) */;\n");
        let path = world.migration("1", &text);
        // Nobody has judged it, and on this server it would run.
        let refused = world.send("comment").refused(&["version-comment", "a newer server would run this unseen"]);
        let in_line = |line: u8| refused.contains(&format!("1##ddl##change.sql:{line}:"));
        assert!(in_line(1) && in_line(2), "{refused}");
        std::fs::remove_file(world.clone_().join(path)).unwrap();
        world.file("schemagate.toml", &format!("{manifest}\n[project.rules]\nversion-comment = \"off\"\n"));
        world.send("who takes the risk says so").ok();
        world.migration("1", &text);
        world.send("comment").says(&["1 applied now"]).ok();
        let tables = "SELECT group_concat(table_name ORDER BY 1) FROM information_schema.tables WHERE table_schema = \
                      database() AND table_name NOT LIKE 'schemagate%'";
        assert_eq!(database.ask(&world, tables), "v,w", "{engine:?}");
        let said =
            "SELECT table_comment FROM information_schema.tables WHERE table_schema = database() AND table_name = 'w'";
        assert_eq!(database.ask(&world, said), "hello", "{engine:?}");
        // What it says counts, though the declared release does not read it.
        world.migration("1", &format!("{};\nCREATE TABLE w (id INT) {behind};\n", comment.replace("INT", "BIGINT")));
        world.commit("edited");
        world.push().refused(&["released-edited"]);
    }
}

#[test]
fn a_comment_that_was_judged_as_code_and_that_an_older_server_leaves_out_does_not_run() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        let (declared, comment) = match engine {
            Engine::Mariadb => ("98.1", "/*M!970000 WHERE id = 1 */"),
            _ => ("98.1", "/*!970000 WHERE id = 1 */"),
        };
        let manifest = database.manifest().replace("dialect =", &format!("version = \"{declared}\"\ndialect ="));
        world.file("schemagate.toml", &manifest);
        world.migration("1", "CREATE TABLE w (id INT PRIMARY KEY);\n");
        world.file("db/shop/2##dml##rows.sql", "INSERT INTO w VALUES (1), (2);\n");
        world.send("rows").says(&["2 applied now"]).ok();
        // For this server that is DELETE FROM w.
        let path = "db/shop/3##dml##one.sql";
        world.file(path, &format!("-- one row\nDELETE FROM w {comment};\n"));
        let words = ["line 2: this server (", "is older than the release for which the file was judged"];
        world.send("one of them").says(&words);
        world.on_server(&["status"]).refused(&words);
        assert_eq!(database.ask(&world, "SELECT count(*) FROM w"), "2", "{engine:?}");
        world.file(path, "DELETE FROM w WHERE id = 1;\n");
        world.send("without the comment").says(&["1 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT id FROM w"), "2", "{engine:?}");
    }
}

#[test]
fn what_reads_text_in_another_way_never_runs() {
    for engine in [Engine::Postgres].into_iter().chain(Engine::mysqls()) {
        let (database, world) = on(engine);
        world.migration("1", "CREATE TABLE a (t VARCHAR(40));\n");
        world.send("table").ok();
        let (set, hidden) = match engine {
            Engine::Postgres => {
                ("SET standard_conforming_strings = off", "INSERT INTO a VALUES ('\\''); COMMIT; -- ')")
            }
            _ => ("SET sql_mode = 'NO_BACKSLASH_ESCAPES'", "INSERT INTO a VALUES ('\\'); COMMIT; -- ')"),
        };
        let path = "db/shop/2##dml##rows.sql";
        let text = |set: &str| format!("INSERT INTO a VALUES ('first');\n{set};\n{hidden};\nSELECT 1 FROM missing;\n");
        world.file(path, &text(set));
        let refused = world.send("hides").refused(&["text-setting", "texts end elsewhere than where they were judged"]);
        assert!(refused.contains("2##dml##rows.sql:2:5"), "{refused}");
        // What nobody can read is found while it runs, and what comes behind it does not run.
        let told = match engine {
            Engine::Postgres => "SELECT set_config('standard_conforming_strings', 'off', false)",
            _ => "SET @m = 'NO_BACKSLASH_ESCAPES'; SET sql_mode = @m",
        };
        world.file(path, &text(told));
        let why = "so text would be read in another way than this file was judged";
        world.send("told").says(&["rows.sql:3:1", why, "nothing of this file stays"]);
        assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "0", "{engine:?}");
        world.file(path, "INSERT INTO a VALUES ('first');\n");
        world.send("mended").says(&["1 applied now"]).ok();
        // What is so from the beginning is found before the first statement.
        match engine {
            Engine::Postgres => {
                let name = database.name();
                database.ask(&world, &format!("ALTER DATABASE {name} SET standard_conforming_strings = off"));
                world.file("db/shop/3##dml##rows.sql", "INSERT INTO a VALUES ('\\');\n");
                world.send("always").says(&["rows.sql:1:1", why, "in `session` of the target"]);
                let session = "session = { standard_conforming_strings = \"on\" }\n";
                world.write_server_file(&format!("{}{session}", database.server_file()));
                world.on_server(&["apply"]).says(&["1 applied now"]).ok();
            }
            _ => {
                let manifest = database.manifest().replace("dialect =", "sql-mode = [\"ANSI_QUOTES\"]\ndialect =");
                world.file("schemagate.toml", &manifest);
                world.file("db/shop/3##dml##rows.sql", "INSERT INTO a VALUES (\"x\");\n");
                world.send("always").says(&["rows.sql:1:1", why, "without ANSI_QUOTES"]);
            }
        }
    }
}

#[test]
fn what_a_session_would_do_otherwise_than_its_client_is_refused() {
    let (_, world) = on(Engine::Mariadb);
    world.migration("1", "CREATE TABLE c (id INT);\n");
    let path = "db/shop/2##dml##rows.sql";
    world.file(path, "UPDATE c SET id = 1;\nINSERT INTO c SELECT ROW_COUNT();\n");
    world.send("counts").refused(&["row-count", "2##dml##rows.sql:2:22"]);
    world.file(path, "SELECT * FROM c;\nINSERT INTO c VALUES (FOUND_ROWS());\nGET DIAGNOSTICS @n = ROW_COUNT;\n");
    world.send("counts otherwise").refused(&["rows.sql:2:23", "rows.sql:3:1"]);
    let (_, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE c (id INT);\n");
    world.file(path, "COPY c TO STDOUT;\n");
    world.send("writes").refused(&["copy-to-client", "2##dml##rows.sql:1:1"]);
}

#[test]
fn a_column_that_people_add_to_the_history_is_in_nobodys_way() {
    for engine in Engine::all() {
        let (database, world) = on(engine);
        world.migration("1", "CREATE TABLE a (id INTEGER);\n");
        world.send("one").ok();
        let table = if engine == Engine::Postgres { "schemagate.schemagate_migration" } else { "schemagate_migration" };
        database.ask(&world, &format!("ALTER TABLE {table} ADD COLUMN ticket VARCHAR(20)"));
        world.migration("2", "CREATE TABLE b (id INTEGER);\n");
        world.send("two").says(&["1 applied now, 2 in all"]).ok();
    }
}

#[test]
fn a_setting_that_no_transaction_takes_is_made_outside_of_one() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        world.migration("1", "CREATE TABLE c (id INT);\n");
        let setting = if engine == Engine::Mysql { "session_track_gtids = 'OFF'" } else { "gtid_domain_id = 0" };
        let text = format!("SET SESSION {setting}, SESSION binlog_format = 'ROW';\nINSERT INTO c VALUES (1), (2);\n");
        world.file("db/shop/2##dml##rows.sql", &text);
        world.send("sets").says(&["2 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT count(*) FROM c"), "2");
    }
}

#[test]
fn a_journal_that_makes_its_session_refuse_the_record_is_no_dead_end() {
    for setting in ["default_transaction_read_only = on", "statement_timeout = 1"] {
        let (database, world) = on(Engine::Postgres);
        let text = |setting: &str| {
            format!(
                "-- schemagate: no-transaction\nCREATE TABLE a (id INTEGER);\n{setting}CREATE TABLE b AS SELECT g AS id FROM generate_series(1, 100000) AS g;\n"
            )
        };
        world.migration("1", &text(&format!("SET {setting};\n")));
        let told = world.send("told").says(&["of this file ran and stay"]);
        assert!(!told.text.contains("could not be read"), "{}", told.text);
        world.on_server(&["status"]).refused(&["FAILED"]);
        assert_eq!(database.ask(&world, "SELECT state FROM schemagate.schemagate_migration"), "failed");
        let path = "db/shop/1##ddl##change.sql";
        world.on_server(&["resolve", path, "--from", "2", "--yes"]).ok();
        world.migration("1", &text(""));
        world.send("mended").says(&["1 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT count(*) FROM b"), "100000", "{setting}");
    }
}

#[test]
fn a_session_that_a_file_changed_is_no_dead_end() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "SET search_path = public;\nRESET ALL;\nCREATE TABLE a (id INTEGER);\n");
    world.send("reset").says(&["1 applied now"]).ok();
    world.migration("2", "CREATE TABLE b (id INTEGER);\nSET TRANSACTION READ ONLY;\n");
    world.send("read only").says(&["what this file did could not be recorded", "nothing of this file stays"]);
    world.on_server(&["status"]).refused(&["FAILED", "could not be recorded"]);
    world.migration("2", "CREATE TABLE b (id INTEGER);\n");
    world.file("db/shop/3##dml##x.sql", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nINSERT INTO b VALUES (1);\n");
    world.send("isolation").says(&["-- schemagate: isolation = serializable"]);
    world.file("db/shop/3##dml##x.sql", "-- schemagate: isolation = serializable\nINSERT INTO b VALUES (1);\n");
    world.send("mended").says(&["1 applied now, 3 in all"]).ok();
    world.migration("4", "CREATE TABLE c (id INTEGER);\nDISCARD ALL;\n");
    world.commit("discard");
    world.push().refused(&["transaction-control", "DISCARD would give away the lock under which the file is run"]);
    assert_eq!(history(&database, &world, "state").replace('\n', " "), "applied applied applied");
}

#[test]
fn a_read_only_session_of_sqlite_is_a_failure_of_its_file() {
    let (database, world) = on(Engine::Sqlite);
    world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.file("db/shop/2##dml##x.sql", "INSERT INTO a VALUES (1);\nPRAGMA query_only = ON;\n");
    world.send("query only").says(&["could not be recorded"]);
    assert_eq!(history(&database, &world, "state").replace('\n', " "), "applied failed");
    world.file("db/shop/2##dml##x.sql", "INSERT INTO a VALUES (1);\n");
    world.send("mended").says(&["1 applied now, 2 in all"]).ok();
}

#[test]
fn a_statement_that_is_too_long_for_its_server_may_be_mended() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        world.migration("1", "CREATE TABLE a (t LONGTEXT);\n");
        world.send("one").ok();
        let packet = database.ask(&world, "SELECT @@max_allowed_packet");
        let long = "x".repeat(3 << 20);
        world.migration("2", &format!("CREATE TABLE b (id INT);\nINSERT INTO a VALUES ('{long}');\n"));
        database.ask(&world, "SET GLOBAL max_allowed_packet = 2097152");
        world.send("long").says(&["statement 1 of this file ran and stays", "max_allowed_packet"]);
        database.ask(&world, &format!("SET GLOBAL max_allowed_packet = {packet}"));
        world.migration("2", "CREATE TABLE b (id INT);\nINSERT INTO a VALUES ('x');\n");
        world.send("mended").says(&["1 applied now, 2 in all"]).ok();
    }
}

#[test]
fn what_a_history_cannot_hold_is_refused_or_cut() {
    for engine in Engine::all() {
        let (database, world) = on(engine);
        let long = "d".repeat(110);
        world.file(&format!("db/shop/1##ddl##{long} {long}.sql"), "CREATE TABLE a (id INTEGER);\n");
        world.send("long").says(&["1 applied now"]).ok();
        assert_eq!(history(&database, &world, "length(description)"), "200", "{engine:?}");
        world.file(&format!("db/shop/1{}##ddl##x.sql", "0".repeat(140)), "CREATE TABLE b (id INTEGER);\n");
        world.commit("version");
        world.push().refused(&["path-unreadable", "this version has 141 characters; at most 128 are recorded"]);
    }
}
