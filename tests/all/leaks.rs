//! What one file does to its session, or to the server, must not reach the next one; and what a database does by itself
//! must not be held against a file.

use crate::databases::{Database, Engine};
use crate::doubt::on;
use crate::support::World;
use crate::traps::{hidden_table, history, keys};
use crate::truth::meanwhile;

/// Files that are pushed first, if there are some, then others, and what the database answers then.
struct Leak {
    first: &'static str,
    files: &'static [(&'static str, &'static str)],
    question: &'static str,
    answer: &'static str,
}

fn holds(engine: Engine, leaks: &[Leak]) {
    for Leak { first, files, question, answer } in leaks {
        let (database, world) = on(engine);
        if !first.is_empty() {
            world.migration("1", first);
            world.send("first").ok();
        }
        for (path, text) in *files {
            world.file(&format!("db/shop/{path}##x.sql"), text);
        }
        let said = world.send("files").ok();
        assert_eq!(database.ask(&world, question), *answer, "{engine:?}, {files:?}\n{said}");
    }
}

#[test]
fn what_routines_and_expressions_of_postgres_tell_a_session_ends_with_the_file() {
    const E: (&str, &str) = ("9##ddl", "CREATE TABLE e (id INTEGER);\n");
    const WHERE: &str = "SELECT to_regclass('public.e')";
    let leak = |first, files| Leak { first, files, question: WHERE, answer: "e" };
    holds(
        Engine::Postgres,
        &[
            leak(
                "",
                &[
                    (
                        "2##ddl",
                        "CREATE SCHEMA other;\nCREATE FUNCTION g() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN SET search_path = other; RETURN 1; END $$;\nCREATE TABLE public.d AS SELECT g();\n",
                    ),
                    E,
                ],
            ),
            leak(
                "CREATE SCHEMA other;\nCREATE FUNCTION g() RETURNS text LANGUAGE sql RETURN set_config('search_path', 'other', false);\n",
                &[("2##ddl", "CREATE TABLE public.d AS SELECT public.g();\n"), E],
            ),
            leak(
                "CREATE SCHEMA other;\nCREATE FUNCTION g() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN /* theirs */ SET search_path = other; RETURN 1; END $$;\n",
                &[("2##ddl", "CREATE TABLE public.d AS SELECT public.g();\n"), E],
            ),
            leak(
                "CREATE SCHEMA other;\nCREATE TABLE log (v TEXT DEFAULT set_config('search_path', 'other', false), id INTEGER);\n",
                &[("2##dml", "INSERT INTO log (id) VALUES (1);\n"), E],
            ),
            leak(
                "CREATE SCHEMA other;\nCREATE TABLE t (id INTEGER);\n",
                &[("2##dml", "UPDATE pg_settings SET setting = 'other' WHERE name = 'search_path';\n"), E],
            ),
            leak(
                "CREATE SCHEMA other;\nCREATE TABLE t (id INTEGER);\nCREATE RULE r AS ON INSERT TO t DO ALSO UPDATE pg_settings SET setting = 'other' WHERE name = 'search_path';\n",
                &[("2##dml", "INSERT INTO t VALUES (1);\n"), E],
            ),
            leak(
                "CREATE SCHEMA other;\nCREATE VIEW v AS SELECT name, setting FROM pg_settings;\n",
                &[("2##dml", "UPDATE v SET setting = 'other' WHERE name = 'search_path';\n"), E],
            ),
            leak(
                "CREATE SCHEMA other;\nCREATE DOMAIN d AS text DEFAULT set_config('search_path', 'other', false);\nCREATE TABLE t (id INTEGER, v d);\n",
                &[("2##dml", "INSERT INTO t VALUES (1);\n"), E],
            ),
            leak(
                "CREATE SCHEMA other;\nCREATE TABLE t (id INTEGER);\nINSERT INTO t VALUES (1);\nCREATE TRIGGER z BEFORE UPDATE ON t FOR EACH ROW WHEN (set_config('search_path', 'other', false) IS NULL) EXECUTE FUNCTION suppress_redundant_updates_trigger();\n",
                &[("2##dml", "UPDATE t SET id = 2;\n"), E],
            ),
            Leak {
                first: "CREATE TABLE r (v TEXT);\nCREATE TABLE a (id INTEGER);\n",
                files: &[
                    ("2##dml", "SET app.user_id = '5';\nINSERT INTO a VALUES (1);\n"),
                    ("3##dml", "INSERT INTO r VALUES (coalesce(current_setting('app.user_id', true), 'none'));\n"),
                    ("4##dml", "SET LOCAL app.user_id = '5';\nINSERT INTO a VALUES (1);\n"),
                    ("5##dml", "INSERT INTO a VALUES (current_setting('app.user_id', true)::integer);\n"),
                ],
                question: "SELECT v FROM r",
                answer: "none",
            },
            Leak {
                first: "CREATE TABLE work (id INTEGER);\nCREATE FUNCTION g() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE pg_temp.work (id INTEGER); RETURN 1; END $$;\n",
                files: &[("2##ddl", "CREATE TABLE d AS SELECT g();\n"), ("3##dml", "INSERT INTO work VALUES (1);\n")],
                question: "SELECT count(*) FROM work",
                answer: "1",
            },
            Leak {
                first: "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(7), pg_advisory_lock_shared(1, 2), pg_advisory_lock(-1); END $$;\n",
                files: &[
                    ("2##ddl", "SELECT f();\nSELECT f();\n"),
                    (
                        "3##ddl",
                        "CREATE TABLE m AS SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();\n",
                    ),
                ],
                question: "SELECT n FROM m",
                answer: "1",
            },
        ],
    );
}

#[test]
fn what_triggers_of_mysql_tell_a_session_ends_with_the_file() {
    const R: (&str, &str) = ("9##dml", "INSERT INTO r SELECT length(group_concat(repeat('x', 100))) FROM a;\n");
    const TRIGGER: &str = "CREATE TABLE a (id INT);\nCREATE TABLE r (g BIGINT);\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET group_concat_max_len = 5;\n";
    let leak = |first, files| Leak { first, files, question: "SELECT g FROM r", answer: "100" };
    for engine in Engine::mysqls() {
        holds(
            engine,
            &[
                leak(TRIGGER, &[("2##dml", "INSERT INTO a VALUES (1);\n"), R]),
                leak(
                    "",
                    &[
                        (
                            "2##ddl",
                            "CREATE TABLE a (id INT);\nCREATE TABLE r (g BIGINT);\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET SESSION group_concat_max_len = 5;\nINSERT INTO a VALUES (1);\n",
                        ),
                        R,
                    ],
                ),
                Leak {
                    first: "CREATE TABLE u (id INT AUTO_INCREMENT PRIMARY KEY, v INT);\nCREATE TABLE c (id INT);\nCREATE TABLE p (id INT);\n",
                    files: &[
                        ("2##dml", "INSERT INTO u (v) VALUES (1);\n"),
                        ("3##dml", "INSERT INTO c VALUES (@@identity);\n"),
                        ("4##dml", "INSERT INTO u (v) VALUES (1);\n"),
                        ("5##dml", "INSERT INTO p VALUES (5);\nINSERT INTO c VALUES (LAST_INSERT_ID());\n"),
                        ("6##dml", "INSERT INTO u (v) VALUES (1);\n"),
                        ("7##dml", "INSERT INTO c SELECT @@last_insert_id;\n"),
                    ],
                    question: "SELECT sum(id), count(*) FROM c",
                    answer: "0|3",
                },
                leak(
                    "CREATE TABLE a (id INT);\nCREATE TABLE r (g BIGINT);\nDELIMITER //\nCREATE FUNCTION to_date(x INT) RETURNS INT NO SQL BEGIN SET SESSION group_concat_max_len = 5; RETURN x; END//\nDELIMITER ;\n",
                    &[("2##dml", "INSERT INTO a VALUES (to_date(1));\n"), R],
                ),
                Leak {
                    first: "CREATE TABLE u (id INT AUTO_INCREMENT PRIMARY KEY, v INT);\nCREATE TABLE c (id INT);\n",
                    files: &[
                        ("2##dml", "INSERT INTO u (v) VALUES (1);\n"),
                        ("3##dml", "INSERT INTO c VALUES (@@session.identity);\n"),
                    ],
                    question: "SELECT id FROM c",
                    answer: "0",
                },
                Leak {
                    first: "CREATE TABLE a (id INT);\n",
                    files: &[
                        ("2##dml", "SET sql_select_limit = 0;\nINSERT INTO a VALUES (1);\n"),
                        ("3##dml", "INSERT INTO a VALUES (2);\n"),
                    ],
                    question: "SELECT count(*) FROM a",
                    answer: "2",
                },
            ],
        );
        // Triggers of another database are met wherever it stands in a statement.
        let (database, world) = on(engine);
        let other = format!("{}_other", database.name());
        database.ask(&world, &format!("CREATE DATABASE {other}; CREATE TABLE {other}.u (id INT, v INT); INSERT INTO {other}.u VALUES (1, 1); CREATE TABLE a (id INT); INSERT INTO a VALUES (1); CREATE TABLE r (g BIGINT); CREATE TRIGGER {other}.t BEFORE UPDATE ON {other}.u FOR EACH ROW SET SESSION group_concat_max_len = 5"));
        world
            .file("db/shop/2##dml##x.sql", &format!("UPDATE a AS x JOIN {other}.u AS y ON y.id = x.id SET y.v = 7;\n"));
        world.file(&format!("db/shop/{}##x.sql", R.0), R.1);
        world.send("files").ok();
        assert_eq!(database.ask(&world, "SELECT g FROM r"), "100", "{engine:?}");
        // Who may not see triggers is not sure of them.
        let (database, world) = on(engine);
        world.migration("1", TRIGGER);
        world.send("first").ok();
        let role = format!("app_{}", database.name());
        let rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES";
        database.ask(
            &world,
            &format!("CREATE USER {role}@localhost; GRANT {rights} ON {}.* TO {role}@localhost", database.name()),
        );
        world.write_server_file(&database.server_file().replace("root@", &format!("{role}@")));
        world.file("db/shop/2##dml##x.sql", "INSERT INTO a VALUES (1);\n");
        world.file(&format!("db/shop/{}##x.sql", R.0), R.1);
        world.send("files").ok();
        assert_eq!(database.ask(&world, "SELECT g FROM r"), "100", "{engine:?}");
    }
}

#[test]
fn a_lock_that_a_routine_gave_away_ends_the_run() {
    let (database, world) = on(Engine::Postgres);
    world.migration(
        "1",
        "CREATE FUNCTION g() RETURNS boolean LANGUAGE sql AS 'SELECT pg_advisory_unlock_all(); SELECT true';\n",
    );
    world.send("first").ok();
    world.migration("2", "CREATE TABLE d AS SELECT g();\n");
    world.migration("3", "CREATE TABLE m (id INTEGER);\n");
    world.send("all").says(&["the lock of this database was lost", "not run: 3 ddl"]);
    assert_eq!(database.ask(&world, "SELECT to_regclass('d'), to_regclass('m')"), "|");
}

#[test]
fn a_session_that_lies_does_not_write_the_ledger() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        let role = format!("app_{}", database.name());
        world.migration("1", "CREATE TABLE a (id INT);\n");
        world.send("a").ok();
        // Who may have one connection only gets the next session behind the end of the one before.
        let one = format!(
            "CREATE USER {role}@localhost WITH MAX_USER_CONNECTIONS 1; GRANT ALL ON {}.* TO {role}@localhost",
            database.name()
        );
        database.ask(&world, &one);
        world.write_server_file(&database.server_file().replace("root@", &format!("{role}@")));
        world.file("db/shop/2##dml##x.sql", "SET sql_select_limit = 0;\nINSERT INTO a VALUES (1);\n");
        world.file("db/shop/3##dml##x.sql", "INSERT INTO a VALUES (2);\n");
        world.send("b").says(&["2 applied now, 3 in all"]).ok();
        world.migration("1", "CREATE TABLE a (id BIGINT);\n");
        world.send("edited").refused(&["released-edited"]);
    }
}

#[test]
fn a_limit_of_rows_hides_no_row_of_the_history() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        let limited = "session = { sql_select_limit = \"1\" }\n";
        world.write_server_file(&format!("{}{limited}", database.server_file()));
        for version in ["1", "2", "3"] {
            world.migration(version, &format!("CREATE TABLE a{version} (id INT);\n"));
        }
        world.send("three").says(&["3 applied now"]).ok();
        world.migration("4", "SET sql_select_limit = 0;\nCREATE TABLE x (id INT);\nINSERT INTO x VALUES (1);\n");
        world.migration("5", "INSERT INTO x VALUES (2);\n");
        world.send("more").says(&["2 applied now, 5 in all"]).ok();
        world.on_server(&["status"]).says(&["up to date, 5 applied"]).ok();
    }
}

#[test]
fn a_limit_of_time_is_for_the_statements_of_the_file_alone() {
    for engine in Engine::servers() {
        let (_, world) = on(engine);
        for number in 1..=60 {
            world.file(&format!("db/shop/{number}##dml##x.sql"), &format!("DELETE FROM t WHERE id = {number};\n"));
        }
        world.migration("0", "CREATE TABLE t (id INTEGER);\n");
        world.send("all").ok();
        world.file("db/shop/99##dml##x.sql", "-- schemagate: statement-timeout = 30ms\nDELETE FROM t WHERE id = 1;\n");
        let said = world.send("limited").says(&["1 applied now, 62 in all"]).ok();
        assert!(!said.contains("could not be read"), "{said}");
    }
}

#[test]
fn what_a_session_keeps_behind_a_rollback_is_not_met_when_it_is_tried_again() {
    let held = |database: &Database, world: &World, table: &str| {
        world.write_server_file(&keys(database, "lock-timeout = \"1s\"", ""));
        let hold = match database.engine {
            Engine::Postgres => format!("BEGIN; SELECT * FROM {table} FOR UPDATE; SELECT pg_sleep(4); COMMIT"),
            _ => format!("START TRANSACTION; SELECT * FROM {table} FOR UPDATE; DO SLEEP(4); COMMIT"),
        };
        meanwhile(database, world, &hold)
    };
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        world.migration("1", "CREATE TABLE l (v INT);\nCREATE TABLE a (id INT PRIMARY KEY, v INT);\nINSERT INTO a VALUES (1, 0);\nCREATE TRIGGER t BEFORE INSERT ON l FOR EACH ROW SET @n = IFNULL(@n, 0) + 1, NEW.v = @n;\n");
        world.send("first").ok();
        world.file("db/shop/2##dml##x.sql", "INSERT INTO l VALUES (0);\nUPDATE a SET v = 7;\n");
        // MySQL lets no definition lock the rows that it copies.
        let lock = if engine == Engine::Mariadb { "FOR UPDATE" } else { "" };
        world.migration("3", &format!("SET @n = 0;\nCREATE TABLE x AS SELECT (@n := @n + 1) AS i FROM a {lock};\n"));
        world.commit("b");
        let mut holder = held(&database, &world, "a");
        world.push().says(&["retrying", "2 applied now"]).ok();
        holder.wait().unwrap();
        assert_eq!(database.ask(&world, "SELECT l.v, x.i FROM l JOIN x"), "1|1", "{engine:?}");
    }
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE a (id INTEGER, v INTEGER);\nINSERT INTO a VALUES (1, 0);\n");
    world.send("a").ok();
    world.migration("2", "PREPARE p AS UPDATE a SET v = 5;\nEXECUTE p;\nVACUUM a;\n");
    world.commit("b");
    let mut holder = held(&database, &world, "a");
    world.push().says(&["retrying", "1 applied now"]).ok();
    holder.wait().unwrap();
}

#[test]
fn what_stays_of_files_that_ran_together_is_put_to_people_for_each() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        let hidden = hidden_table(&database, &world);
        world.write_server_file(&keys(&database, "", "atomic = \"push\""));
        world.file("db/shop/1##dml##x.sql", "INSERT INTO t VALUES (1);\n");
        world.file("db/shop/2##dml##x.sql", "INSERT INTO t VALUES (2);\nINSERT INTO t VALUES (2);\n");
        world.file("db/shop/3##dml##x.sql", "INSERT INTO t VALUES (4);\n");
        world.send("b").says(&["so may all of db/shop/1##dml##x.sql, of the same transaction"]);
        assert_eq!(
            history(&database, &world, "version, state, statement_open").replace('\n', " "),
            "1|failed|1 2|failed|2"
        );
        world.on_server(&["apply"]).refused(&["statement 1 ran or did not"]);
        // What people decided is run by itself, and the rest together behind it.
        world.on_server(&["resolve", "1", "--from", "2", "--yes"]).ok();
        world.on_server(&["resolve", "2", "--from", "3", "--yes"]).ok();
        world.on_server(&["apply"]).says(&["3 applied now"]).ok();
        assert_eq!(database.ask(&world, &format!("SELECT count(*), sum(id) FROM {hidden}")), "3|7", "{engine:?}");
    }
}

#[test]
fn what_was_taken_back_of_files_that_ran_together_may_run_again() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        hidden_table(&database, &world);
        database.ask(&world, "CREATE TABLE plain (id INT)");
        world.write_server_file(&keys(&database, "", "atomic = \"push\""));
        world.file("db/shop/1##dml##x.sql", "INSERT INTO plain VALUES (1);\n");
        world.file("db/shop/2##dml##x.sql", "INSERT INTO t VALUES (2);\nINSERT INTO t VALUES (2);\n");
        world.send("b").says(&["FAILED"]);
        world.on_server(&["resolve", "1", "--from", "1", "--yes"]).ok();
        world.on_server(&["resolve", "2", "--from", "3", "--yes"]).ok();
        world.on_server(&["apply"]).says(&["2 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT count(*) FROM plain"), "1", "{engine:?}");
    }
}

#[test]
fn what_never_ran_is_not_recorded_as_failed() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        hidden_table(&database, &world);
        world.write_server_file(&keys(&database, "", "atomic = \"push\""));
        world.file("db/shop/1##dml##x.sql", "INSERT INTO t VALUES (1);\nDO RELEASE_ALL_LOCKS();\n");
        world.file("db/shop/2##dml##x.sql", "INSERT INTO t VALUES (2);\n");
        world.without_hooks(|| world.send("b").ok());
        world.on_server(&["apply"]).refused(&["failed 1 dml", "may stay in part"]);
        assert_eq!(history(&database, &world, "version, state, statement_open"), "1|failed|2", "{engine:?}");
    }
}

#[test]
fn what_stays_is_recorded_without_the_lock_and_without_warnings_too() {
    for engine in Engine::mysqls() {
        for (text, open) in [
            ("INSERT INTO t VALUES (1);\nDO RELEASE_ALL_LOCKS();\n", 2),
            ("SET max_error_count = 0;\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (1);\n", 3),
        ] {
            let (database, world) = on(engine);
            let hidden = hidden_table(&database, &world);
            world.file("db/shop/1##dml##x.sql", text);
            world.without_hooks(|| world.send("b").ok());
            let said = world.on_server(&["apply"]).refused(&["may stay in part"]);
            assert!(!said.contains("NOT be recorded"), "{said}");
            let row = history(&database, &world, "state, statements_done, statement_open");
            assert_eq!(row, format!("failed|0|{open}"), "{engine:?}: {text}");
            world.on_server(&["apply"]).refused(&["ran or did not"]);
            let rows = database.ask(&world, &format!("SELECT count(*) FROM {hidden}"));
            assert!(rows == "1" || rows == "2" && open == 3, "{rows}");
        }
    }
}

#[test]
fn a_table_without_transactions_behind_a_trigger_is_known_in_another_database_too() {
    const TRIGGER: &str = "CREATE TRIGGER log AFTER INSERT ON t FOR EACH ROW INSERT INTO OTHER.m VALUES (NEW.id);\n";
    let trigger_to = |what: &str| format!("CREATE TRIGGER log AFTER INSERT ON t FOR EACH ROW {what};\n");
    let chain = format!(
        "CREATE TABLE u (id INT);\n{}{}",
        trigger_to("INSERT INTO u VALUES (NEW.id)"),
        TRIGGER.replace("log", "far").replace("ON t", "ON u")
    );
    let call = format!("CREATE PROCEDURE p(x INT) INSERT INTO OTHER.m VALUES (x);\n{}", trigger_to("CALL p(NEW.id)"));
    for engine in Engine::mysqls() {
        for (name, ways, same_push) in [
            ("beside", TRIGGER, false),
            ("BeSide", TRIGGER, false),
            ("chain", &chain, false),
            ("call", &call, false),
            ("same", TRIGGER, true),
        ] {
            let (database, world) = on(engine);
            let other = format!("{name}_{}", database.name());
            let ways = ways.replace("OTHER", &other);
            database.ask(&world, &format!("CREATE DATABASE {other}; CREATE TABLE {other}.m (id INT) ENGINE = MyISAM; CREATE TABLE t (id INT PRIMARY KEY)"));
            if same_push {
                world.migration("0", &ways);
                world.file("db/shop/0##dml##x.sql", "DELETE FROM t WHERE id = 55;\n");
            } else {
                database.ask(&world, &ways);
            }
            world.file("db/shop/1##dml##x.sql", "INSERT INTO t VALUES (1);\nINSERT INTO t VALUES (1);\n");
            world.send("b").says(&["statement 1 of this file ran and stays", "statement 2 may have done a part"]);
            let row = format!(
                "SELECT state, statements_done, statement_open FROM {} WHERE version = '1'",
                database.history("migration")
            );
            assert_eq!(database.ask(&world, &row), "failed|1|2", "{engine:?}, {name}");
        }
    }
}

#[test]
fn the_role_of_the_server_file_is_in_force_behind_a_file_that_took_another() {
    for atomic in ["push", "file"] {
        let (database, world) = on(Engine::Postgres);
        let role = format!("owner_{}", database.name());
        database.ask(&world, &format!("CREATE ROLE \"{role}\"; GRANT CREATE ON SCHEMA public TO checker, \"{role}\""));
        let more = format!("atomic = \"{atomic}\"\nsession = {{ role = \"{role}\" }}");
        world.write_server_file(&keys(&database, "", &more));
        world.migration("1", "CREATE TABLE a (id INTEGER);\nSET ROLE checker;\nCREATE TABLE b (id INTEGER);\n");
        world.migration("2", "CREATE TABLE c (id INTEGER);\n");
        let said = world.send("roles").says(&["2 applied now"]).ok();
        assert!(!said.contains("could not be read"), "{said}");
        // The history is ours, and the role has no right to it.
        world.migration("3", "CREATE TABLE nowhere.a (id INTEGER);\n");
        world.send("fails").says(&["schema \"nowhere\" does not exist"]);
        assert_eq!(history(&database, &world, "state").replace('\n', " "), "applied applied failed");
        world.migration("3", "CREATE TABLE d (id INTEGER);\nCREATE INDEX CONCURRENTLY i ON d (id);\nVACUUM d;\n");
        world.send("mended").says(&["1 applied now, 3 in all"]).ok();
        let owners = "SELECT string_agg(tableowner, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(database.ask(&world, owners), format!("{role} checker {role} {role}"), "{atomic}");
    }
}
