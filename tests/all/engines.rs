//! What every engine promises: one suite, each scenario on all of them.

use crate::databases::{Database, Engine};
use crate::support::World;

/// Runs a scenario on each engine, with a database and a world of its own.
pub(crate) fn on_all(scenario: impl Fn(&Database, &World)) {
    for engine in Engine::all() {
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
        world.migration("2", "ALTER TABLE a ADD COLUMN b INTEGER;\nCREATE TABLE c (id INTEGER PRIMARY KEY);\n");
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

/// A statement that takes a second or two.
pub(crate) fn slow(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "SELECT pg_sleep(2);",
        Engine::Sqlite => {
            "INSERT INTO a WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000000) SELECT i FROM n WHERE i < 0;"
        }
        _ => "DO SLEEP(2);",
    }
}

#[test]
fn two_runs_at_once_run_everything_once() {
    on_all(|database, world| {
        world.migration("1", &format!("CREATE TABLE a (id INTEGER);\n{}\n", slow(database.engine)));
        for version in 2..6 {
            world.file(&format!("db/shop/{version}##dml##row.sql"), &format!("INSERT INTO a VALUES ({version});\n"));
        }
        world.on_server(&["uninstall"]).ok();
        world.send("all").ok();
        let mut said = String::new();
        for run in [(); 3].map(|()| world.begin_apply()) {
            let output = run.wait_with_output().unwrap();
            said.push_str(&String::from_utf8_lossy(&output.stdout));
            assert!(output.status.success(), "{said}");
        }
        // Who had to wait is told for whom, and who was faster.
        for words in
            ["waiting: ", "is at work on it", "5 migrations up to version 5 dml were applied meanwhile by process"]
        {
            assert!(said.contains(words), "{:?} {words}\n{said}", database.engine);
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
    database.ask(&world, "DELETE FROM a WHERE ctid = (SELECT min(ctid) FROM a)");
    world.on_server(&["apply"]).says(&["1 applied now"]).ok();
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
    for engine in Engine::mysqls() {
        let database = engine.database();
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
}

/// Pushes to one broken target beside a good one, and applies again.
pub(crate) fn pushed_beside_a_good_one(url: &str, dialect: &str, words: &[&str]) -> World {
    let good = Engine::Sqlite.database();
    let manifest = format!("{}[project.databases.other]\ndialect = \"{dialect}\"\n", good.manifest());
    let server_file = format!(
        "{}\n[[target]]\nenvironment = \"dev\"\ndatabase = \"other\"\nurl = \"{url}\"\nlock-wait = \"2s\"\n",
        good.server_file()
    );
    let world = World::new(&manifest, &server_file);
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.file("db/other/1##ddl##b.sql", "CREATE TABLE b (id INTEGER PRIMARY KEY);\n");
    let text = world.send("both").says(&["dev/shop 1 applied now"]).says(words).text;
    assert!(!text.contains("hunter2"), "{text}");
    says_and_fails(&world, "apply", words);
    world
}

fn says_and_fails(world: &World, command: &str, words: &[&str]) {
    let done = world.on_server(&[command]).says(words);
    assert_eq!(done.code, 1, "{}", done.text);
    assert!(!done.text.contains("hunter2"), "{}", done.text);
}

/// The same for a target that cannot even be looked at.
pub(crate) fn beside_a_good_one(url: &str, dialect: &str, words: &[&str]) {
    says_and_fails(&pushed_beside_a_good_one(url, dialect, words), "status", words);
}

#[test]
fn a_server_that_does_not_let_us_in_is_one_clear_message() {
    let postgres = crate::servers::postgres().folder.display().to_string();
    let maria = crate::servers::mariadb().folder.join("s").display().to_string();
    let known = Engine::Mariadb.database();
    let empty = World::empty();
    known.ask(&empty, "CREATE USER IF NOT EXISTS odd@localhost IDENTIFIED BY 'p@ss:w/rd'");
    known.ask(&empty, &format!("GRANT ALL ON {}.* TO odd@localhost", known.name()));
    let name = known.name();
    beside_a_good_one(
        &format!("postgres://postgres:hunter2@localhost/nowhere?host={postgres}"),
        "postgres",
        &["database \"nowhere\" does not exist", "create the database first"],
    );
    beside_a_good_one("postgres://ada:hunter2@no-such-host.invalid/x", "postgres", &["check host and port of the URL"]);
    beside_a_good_one(
        &format!("mariadb://odd:hunter2@localhost/{name}?socket={maria}"),
        "mariadb",
        &["Access denied for user 'odd'", "check user and password"],
    );
    beside_a_good_one(
        &format!("mariadb://root:@localhost/nowhere?socket={maria}"),
        "mariadb",
        &["Unknown database 'nowhere'", "create the database first"],
    );
    beside_a_good_one(
        &format!("mysql://root@localhost/{name}?socket={maria}"),
        "mysql",
        &["this server is MariaDB", "write mariadb://"],
    );
    let odd = format!("mariadb://odd:p%40ss%3Aw%2Frd@localhost/{name}?socket={maria}");
    let world = World::new(&known.manifest(), &known.server_file().replace(&known.url, &odd));
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.send("one").says(&["1 applied now"]).ok();
}

#[test]
fn a_history_that_is_not_ours_is_left_alone() {
    on_all(|database, world| {
        let table = database.history("meta");
        if database.engine == Engine::Postgres {
            database.ask(world, "CREATE SCHEMA schemagate");
        }
        database.ask(world, &format!("CREATE TABLE {table} (x INTEGER)"));
        world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
        world.send("one").says(&["UNREACHABLE", "is not ours, or damaged", "rename or repair that table"]);
        database.ask(world, &format!("DROP TABLE {table}"));
        world.on_server(&["apply"]).says(&["1 applied now"]).ok();
        database.ask(world, &format!("UPDATE {table} SET value = '99' WHERE name = 'format'"));
        world.on_server(&["apply"]).refused(&["has format 99, this program writes format 2", "upgrade schemagate"]);
    });
}

#[test]
fn a_role_that_may_not_make_the_history_is_told_what_it_lacks() {
    let database = Engine::Postgres.database();
    let world = database.world();
    world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    database.ask(&world, "ALTER SCHEMA public OWNER TO checker");
    let url = database.url.replace("//postgres@", "//checker@");
    world.write_server_file(&database.server_file().replace(&database.url, &url));
    world.send("one").says(&["the history tables could not be created: permission denied", "history-schema"]);
    let file = database.server_file().replace(&database.url, &url);
    world.write_server_file(&format!("{file}history-schema = \"public\"\n"));
    world.on_server(&["apply"]).says(&["1 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT count(*) FROM public.schemagate_migration"), "1");
}

#[test]
fn a_file_runs_under_the_isolation_that_it_asks_for() {
    for engine in Engine::servers() {
        let database = engine.database();
        let world = database.world();
        world.migration("1", "CREATE TABLE a (level VARCHAR(30));\n");
        let level = match engine {
            Engine::Postgres => "current_setting('transaction_isolation')",
            _ => {
                "(SELECT trx_isolation_level FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = connection_id())"
            }
        };
        let text =
            format!("-- txn-isolation = serializable\nINSERT INTO a VALUES ('x');\nINSERT INTO a SELECT {level};\n");
        world.file("db/shop/1##dml##rows.sql", &text);
        world.send("one").ok();
        assert_eq!(database.ask(&world, "SELECT lower(level) FROM a WHERE level <> 'x'"), "serializable");
    }
}

#[test]
fn a_reference_to_what_is_no_key_stops_nothing_while_keys_are_not_enforced() {
    let database = Engine::Sqlite.database();
    let world = database.world();
    world.migration("1", "CREATE TABLE p (id INTEGER);\nCREATE TABLE c (p INTEGER REFERENCES p (id));\nCREATE TABLE q (id INTEGER PRIMARY KEY);\nCREATE TABLE d (q INTEGER REFERENCES q (id));\n");
    world.file("db/shop/1##dml##rows.sql", "INSERT INTO c VALUES (1);\n");
    world.send("one").says(&["2 applied now"]).ok();
    world.file("db/shop/2##dml##rows.sql", "INSERT INTO d VALUES (1);\n");
    world.send("two").says(&["1 row(s) of table d refer to rows of q that do not exist"]);
}

#[test]
fn what_would_keep_the_record_from_being_written_is_refused() {
    for engine in Engine::mysqls() {
        let database = engine.database();
        let world = database.world();
        for text in [
            "SET autocommit = 0;",
            "SET SESSION autocommit = 0;",
            "SET @@autocommit = 0;",
            "SET @@session.autocommit = 0;",
            "SET @a = 1, @b = 2, @c = 3, @d = 4, @@SESSION.`autocommit` = 0;",
            "XA START 'x';",
            "LOCK TABLES a WRITE;",
            "UNLOCK TABLES;",
        ] {
            world.migration("1", &format!("{text}\nCREATE TABLE a (id INT);\n"));
            world.send(text).refused(&["transaction-control"]);
            world.in_clone(&["reset", "-q", "--hard", "origin/main"]).ok();
        }
    }
}

#[test]
fn a_file_may_take_a_role_inside_of_its_transaction() {
    let database = Engine::Postgres.database();
    let world = database.world();
    database.ask(&world, "GRANT CREATE ON SCHEMA public TO checker");
    world.migration("1", "SET ROLE checker;\nCREATE TABLE a (id INTEGER);\n");
    world.send("one").says(&["1 applied now"]).ok();
    world.migration("2", "CREATE TABLE b (id INTEGER);\n");
    world.send("two").ok();
    assert_eq!(
        database.ask(
            &world,
            "SELECT string_agg(tableowner, ' ' ORDER BY tablename) FROM pg_tables WHERE tablename IN ('a', 'b')"
        ),
        "checker postgres"
    );
    world.migration("3", "SET ROLE checker;\nCREATE INDEX CONCURRENTLY i ON a (id);\n");
    world.send("three").says(&["cannot change its role"]);
}

#[test]
fn long_work_is_told_of_every_few_seconds_and_on_a_terminal_in_one_line() {
    let slow = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;";
    let (_, world) = (Engine::Sqlite.database(), World::usual());
    world.migration("1", &format!("-- schemagate: statement-timeout = 7s\n{slow}\n"));
    world
        .send("slow")
        .says(&["running 5 s: db/shop/1##ddl##change.sql: statement 1 of 1", "longer than statement-timeout"]);
    world.migration("1", &format!("-- schemagate: statement-timeout = 2500ms\n{slow}\n"));
    world.apply_nothing();
    world.send("less slow").ok();
    let mut terminal = world.command("script", &world.server());
    terminal.args(["-qec", &format!("{} apply", crate::support::PROGRAM), "/dev/null"]).env("TERM", "xterm");
    let text = String::from_utf8(terminal.stdin(std::process::Stdio::null()).output().unwrap().stdout).unwrap();
    for second in ["1", "2"] {
        assert!(text.contains(&format!("running  {second} s: db/shop/")), "{text}");
    }
    assert!(text.contains("\r\x1b[K  dev/shop           failed"), "{text:?}");
}
