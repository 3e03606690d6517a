//! What is said of a run that went wrong is so: what ran, what did not, where it stopped and why.

use std::process::{Child, Command, Stdio};

use crate::databases::{Database, Engine};
use crate::doubt::on;
use crate::support::World;

/// Keeps a session at work on a database for some seconds.
pub(crate) fn meanwhile(database: &Database, world: &World, sql: &str) -> Child {
    let folder = || database.engine.server().folder.display().to_string();
    let mut client = match database.engine {
        Engine::Postgres => {
            let mut psql = Command::new("psql");
            psql.args(["-X", "-q", "-U", "postgres", "-h", &folder(), database.name(), "-c", sql]);
            psql
        }
        Engine::Sqlite => {
            let script = world.file_beside("holder.sql", sql);
            let mut client = Command::new("sqlite3");
            client.arg(world.server().join(format!("{}.sqlite", database.name()))).stdin(script);
            client
        }
        _ => {
            let mut client = Command::new("mariadb");
            client.args([
                "--no-defaults",
                "-u",
                "root",
                &format!("--socket={}/s", folder()),
                database.name(),
                "-e",
                sql,
            ]);
            client
        }
    };
    let child = client.stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    child
}

#[test]
fn a_statement_that_gives_the_lock_away_is_the_last_one_that_runs() {
    for engine in Engine::servers() {
        let (database, world) = on(engine);
        world.migration("1", "CREATE TABLE a (id INTEGER);\n");
        let (release, then) = match engine {
            Engine::Postgres => ("SELECT pg_advisory_unlock_all();", "CREATE INDEX CONCURRENTLY i ON a (id);"),
            _ => ("DO RELEASE_ALL_LOCKS();", "CREATE INDEX i ON a (id);"),
        };
        world.send("table").ok();
        world.migration("2", &format!("{release}\n{then}\n"));
        world.without_hooks(|| world.send("gives it away").ok());
        world.on_server(&["apply"]).refused(&["FAILED after 0 of 1", "the lock of this database was lost"]);
        let indexes = match engine {
            Engine::Postgres => "SELECT count(*) FROM pg_indexes WHERE tablename = 'a'",
            _ => {
                "SELECT count(*) FROM information_schema.statistics WHERE table_name = 'a' AND table_schema = database()"
            }
        };
        assert_eq!(database.ask(&world, indexes), "0", "{engine:?}");
    }
}

#[test]
fn what_failed_is_shown_with_its_statement_and_the_code_of_the_server() {
    let code = |engine| match engine {
        Engine::Postgres => "(code 42703)",
        Engine::Sqlite => "(code 1)",
        _ => "(code 1054)",
    };
    for engine in Engine::all() {
        let (_database, world) = on(engine);
        world.file("db/shop/1##ddl##a.sql", "CREATE TABLE a (id INTEGER);\n");
        world.file("db/shop/2##dml##b.sql", "-- one\nUPDATE a\nSET nope = 1 WHERE id = 2;\n");
        // The judge of SQLite knows the table, and would not let it pass.
        if engine == Engine::Sqlite {
            std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        }
        world.commit("fails");
        let done = world.in_clone(&["push", "-q", "--no-verify", "origin", "HEAD:main"]);
        let said = done.says(&["FAILED after 1 of 2 pending", code(engine)]);
        let statement = said.text.lines().any(|line| line.contains("statement: ") && !line.contains("--"));
        assert!(statement, "{engine:?}\n{}", said.text);
    }
}

#[test]
fn an_interrupted_definition_of_sqlite_is_found_out_by_its_catalogue() {
    for (there, words) in [(false, "what it makes is not there"), (true, "what it makes is there")] {
        let (database, world) = on(Engine::Sqlite);
        let text = "-- schemagate: no-transaction\nCREATE TABLE a (id INTEGER);\nCREATE TABLE b (id INTEGER);\n\
                    ALTER TABLE a ADD COLUMN n INTEGER;\n";
        world.migration("1", text);
        world.send("one").ok();
        database.ask(
            &world,
            "UPDATE schemagate_migration SET seal = '', state = 'running', statements_done = 2, statement_open = 3",
        );
        if !there {
            database.ask(&world, "ALTER TABLE a DROP COLUMN n");
        }
        world.on_server(&["status"]).says(&["is running now or was cut off", "by process", "2 of 3 statements"]);
        world.on_server(&["apply"]).says(&[words, "1 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT count(*) FROM pragma_table_info('a')"), "2");
    }
}

#[test]
fn a_bad_row_of_a_copy_is_named_by_its_line() {
    let (_database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE a (id INTEGER);\nCOPY a FROM STDIN;\n1\n2\nx\n\\.\n");
    let words =
        ["invalid input syntax for type integer", "COPY a, line 3, column id", "change.sql:5:1", "statement: COPY a"];
    world.send("rows").says(&words);
}

#[test]
fn what_fails_inside_of_a_block_is_named_by_its_line() {
    let (_database, world) = on(Engine::Postgres);
    let block = "SELECT 1;\nDO LANGUAGE plpgsql $x$\nBEGIN\n  PERFORM 1;\n  PERFORM 1 / 0;\nEND\n$x$;\n";
    world.migration("1", block);
    let words = ["change.sql:5:3: division by zero", "inline_code_block line 4 at PERFORM", "statement: PERFORM 1 / 0"];
    world.send("block").says(&words);
    let function = "CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql AS $x$\nBEGIN\n  RETURN 1 / 0;\nEND\n$x$;\n";
    world.migration("1", &format!("{function}SELECT f();\n"));
    world.send("function").says(&["change.sql:6:1: division by zero", "function f() line 3 at RETURN"]);
}

#[test]
fn sql_in_the_line_of_a_copy_is_refused_where_it_stands() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE a (id INTEGER);\nCOPY a FROM STDIN; DELETE FROM a;\n1\n\\.\n");
    world.send("rows").refused(&["`DELETE` stands in the line of `COPY ... FROM STDIN`", "2:20", "move it behind"]);
    world.migration("1", "CREATE TABLE a (id INTEGER);\nCOPY a FROM STDIN; -- rows\n1\n\\.\nDELETE FROM a;\n");
    world.send("behind").says(&["1 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "0");
}

#[test]
fn a_row_of_the_history_that_somebody_holds_is_waited_for() {
    let engine = Engine::Mariadb;
    let (database, world) = on(engine);
    world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.send("one").ok();
    world.write_server_file(
        &database.server_file().replace("[[environment]]\n", "[[environment]]\nlock-timeout = \"1s\"\n"),
    );
    let mut holder =
        meanwhile(&database, &world, "BEGIN; SELECT * FROM schemagate_migration FOR UPDATE; DO SLEEP(4); ROLLBACK;");
    world.migration("2", "CREATE TABLE b (id INTEGER);\n");
    world.send("two").says(&["retrying db/shop/2##ddl##change.sql", "1 applied now"]).ok();
    holder.wait().unwrap();
}

#[test]
fn an_edited_row_of_a_copy_is_no_cosmetic_edit() {
    let (database, world) = on(Engine::Postgres);
    let rows = |row: &str| format!("CREATE TABLE a (t TEXT);\nCOPY a FROM STDIN;\n{row}\n\\.\n");
    world.migration("1", &rows("one -- two"));
    world.send("one").ok();
    world.migration("1", &rows("one -- three"));
    world.send("edits").refused(&["released-edited"]);
    assert_eq!(database.ask(&world, "SELECT t FROM a"), "one -- two");
}

#[test]
fn the_same_bytes_under_a_new_version_run_once_more_and_it_is_said() {
    for engine in Engine::all() {
        let (database, world) = on(engine);
        world.file("db/shop/1##ddl##a.sql", "CREATE TABLE a (id INTEGER);\n");
        world.file("db/shop/1##dml##rows.sql", "INSERT INTO a VALUES (1);\n");
        world.send("one").ok();
        world.file("db/shop/2##dml##again.sql", "INSERT INTO a VALUES (1);\n");
        world.send("two").says(&["has the same bytes as version 1 dml", "they run once more", "1 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "2");
    }
}

#[test]
fn a_pattern_takes_its_tenants_from_a_server_whatever_else_stands_there() {
    for engine in Engine::servers() {
        let catalogue = engine.database();
        let tenant = engine.database();
        let empty = World::empty();
        let odd = format!("odd {}/%1", catalogue.name());
        let quote = if engine == Engine::Postgres { '"' } else { '`' };
        catalogue.ask(&empty, &format!("CREATE DATABASE {quote}{odd}{quote}"));
        let template = catalogue.url.replace(catalogue.name(), "{{database}}");
        // Other tests have databases on this server too.
        let pattern = tenant.name();
        let server = format!(
            "branches = [\"main\"]\n[[environment]]\nname = \"dev\"\n[[tenants]]\nenvironment = \"dev\"\ngroup = \"shops\"\nurl = \"{template}\"\ncatalogue = \"{}\"\npattern = \"{pattern}\"\n",
            catalogue.url
        );
        let manifest = format!(
            "[[project]]\nname = \"shop\"\nbase-directory = \"db\"\ngroup = \"shops\"\ndialect = \"{}\"\n",
            engine.dialect()
        );
        let world = World::new(&manifest, &server);
        world.file("db/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
        let said = world.send("one");
        catalogue.ask(&empty, &format!("DROP DATABASE {quote}{odd}{quote}"));
        said.says(&["wave 1 of 1: 1 applied"]).ok();
        let ran = format!("SELECT count(*) FROM {}", tenant.history("migration"));
        assert_eq!(tenant.ask(&empty, &ran), "1", "{engine:?}");
    }
}

#[test]
fn a_file_of_other_terms_gets_a_transaction_of_its_own() {
    for engine in Engine::servers() {
        let (database, world) = on(engine);
        // The servers of MySQL tell it of a transaction only now and then, so there it is not asked for.
        let level = if engine == Engine::Postgres { "current_setting('transaction_isolation')" } else { "'y'" };
        let note = |version: usize| {
            format!("INSERT INTO a VALUES ({version}, 'x');\nINSERT INTO a VALUES ({version}, {level});\n")
        };
        world.file("db/shop/1##ddl##a.sql", "CREATE TABLE a (id INTEGER, level VARCHAR(60));\n");
        // Alike, of another isolation, with a session of its own, alone, alike again.
        for version in [2, 3, 7] {
            world.file(&format!("db/shop/{version}##dml##rows.sql"), &note(version));
        }
        let head = "-- schemagate: isolation = serializable\n";
        world.file("db/shop/4##dml##rows.sql", &format!("{head}{}", note(4)));
        let own = if engine == Engine::Postgres { "SET work_mem = '5MB';" } else { "SET @n = 1;" };
        world.file("db/shop/5##dml##rows.sql", &format!("{own}\n{}", note(5)));
        let alone = if engine == Engine::Postgres {
            "CREATE INDEX CONCURRENTLY i ON a (id);"
        } else {
            "CREATE INDEX i ON a (id);"
        };
        world.file("db/shop/6##ddl##index.sql", &format!("{alone}\n"));
        world.send("all").says(&["7 applied now"]).ok();
        let levels = database.ask(&world, "SELECT id, level FROM a WHERE level <> 'x' ORDER BY id");
        let usual = if engine == Engine::Postgres { "read committed" } else { "y" };
        let other = if engine == Engine::Postgres { "serializable" } else { "y" };
        let expected = [(2, usual), (3, usual), (4, other), (5, usual), (7, usual)];
        assert_eq!(levels, expected.map(|(id, level)| format!("{id}|{level}")).join("\n"), "{engine:?}");
        let states = format!("SELECT count(*) FROM {} WHERE state = 'applied'", database.history("migration"));
        assert_eq!(database.ask(&world, &states), "7");
    }
}
