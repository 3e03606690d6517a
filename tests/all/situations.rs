//! The situations that a migration can get into, each on every engine.

use crate::databases::{Database, Engine};
use crate::engines::{on_all, slow};
use crate::support::{World, flat};
use crate::truth::meanwhile;

const GOOD: &str = "CREATE TABLE a (id INTEGER PRIMARY KEY);\n";

/// A statement that no transaction holds together with others.
fn alone(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres | Engine::Sqlite => "VACUUM;",
        Engine::Mariadb | Engine::Mysql => "CREATE TABLE alone (id INTEGER);",
    }
}

/// A statement that every gate lets through and that the server refuses.
fn refused(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "SELECT 1 / 0;",
        Engine::Mariadb | Engine::Mysql => "SELECT * FROM nowhere;",
        Engine::Sqlite => "SELECT abs(-9223372036854775808);",
    }
}

/// Columns of the history, a line for each row in their order.
fn history(database: &Database, world: &World, columns: &str) -> String {
    database.ask(world, &format!("SELECT {columns} FROM {} ORDER BY seq", database.history("migration")))
}

fn states(database: &Database, world: &World) -> String {
    history(database, world, "version, state").replace('\n', " ")
}

#[test]
fn everything_about_a_run_is_recorded() {
    on_all(|database, world| {
        let text = "\u{feff}CREATE TABLE a (id INTEGER);\r\nCREATE TABLE b (id INTEGER);\r\n";
        let path = world.migration("1", text);
        world.send("one").ok();
        let mode = if Engine::mysqls().contains(&database.engine) { "journal" } else { "transaction" };
        assert_eq!(
            history(
                database,
                world,
                "seq, project, version, kind, description, path, state, statements_total, statements_done, attempt, \
                 out_of_order, pusher_source, program_version, mode"
            ),
            format!("1|shop|1|ddl|Change|{path}|applied|2|2|1|0|unix|{}|{mode}", env!("CARGO_PKG_VERSION"))
        );
        let head = world.in_clone(&["rev-parse", "HEAD"]).ok();
        let blob = world.in_clone(&["rev-parse", &format!("HEAD:{path}")]).ok();
        assert_eq!(history(database, world, "commit_id, blob_id"), format!("{}|{}", head.trim(), blob.trim()));
        let filled = format!(
            "SELECT count(*) FROM {} WHERE checksum_bytes LIKE '1:sha256:%' AND checksum_text <> checksum_bytes AND \
             host <> '' AND pusher <> '' AND started_at LIKE '20__-__-__T__:__:__.______Z' AND finished_at >= started_at",
            database.history("migration")
        );
        assert_eq!(database.ask(world, &filled), "1");
        let format = format!("SELECT value FROM {} WHERE name = 'format'", database.history("meta"));
        assert_eq!(database.ask(world, &format), schemagate::history::FORMAT.to_string());
    });
}

#[test]
fn the_first_failure_stops_that_database_and_its_later_environments() {
    for engine in Engine::all() {
        let databases: Vec<Database> = (0..4).map(|_| engine.database()).collect();
        let [dev, test, prod, billing] = databases.as_slice() else { unreachable!() };
        let mut server = String::from("branches = [\"main\"]\n");
        for name in ["dev", "test", "prod"] {
            server += &format!("[[environment]]\nname = \"{name}\"\n");
        }
        for (environment, name, at) in
            [("dev", "shop", dev), ("test", "shop", test), ("prod", "shop", prod), ("prod", "billing", billing)]
        {
            server +=
                &format!("[[target]]\nenvironment = \"{environment}\"\ndatabase = \"{name}\"\nurl = \"{}\"\n", at.url);
        }
        let manifest = format!("{}[project.databases.billing]\ndialect = \"{}\"\n", dev.manifest(), engine.dialect());
        let world = World::new(&manifest, &server);
        world.migration("1", GOOD);
        let two = world.file("db/shop/2##dml##rows.sql", &format!("INSERT INTO a VALUES (1);\n{}\n", refused(engine)));
        world.migration("3", "CREATE TABLE c (id INTEGER);\n");
        world.file("db/billing/1##ddl##x.sql", GOOD);
        world.send("two fails").says(&[
            "dev/shop failed 2 dml",
            "dev/shop FAILED after 1 of 3 pending",
            "2##dml##rows.sql:2:1",
            "not run: 3 ddl",
            "nothing of this file stays",
            "test/shop held back",
            "prod/shop held back",
            "prod/billing 1 applied now",
            "error: not all databases are up to date",
        ]);
        assert_eq!(states(dev, &world), "1|applied 2|failed");
        assert_eq!(dev.ask(&world, "SELECT count(*) FROM a"), "0");
        assert!(!test.has_history(&world) && !prod.has_history(&world), "{engine:?}");
        assert_eq!(history(dev, &world, "error_statement, error_line, error_column").lines().last(), Some("2|2|1"));
        world.on_server(&["status"]).refused(&["dev/shop FAILED", "prod/billing up to date"]);
        let status = world.on_server(&["status", "--format", "json"]);
        assert_eq!((status.code, status.json()["targets"][0]["standing"].as_str()), (1, Some("failed")));
        world.file(&two, "INSERT INTO a VALUES (1);\n");
        world.send("no database has run it").says(&["dev/shop 2 applied now", "prod/shop 3 applied now"]).ok();
        assert_eq!(states(prod, &world), "1|applied 2|applied 3|applied");
        assert_eq!(history(dev, &world, "attempt").replace('\n', " "), "1 2 1");
        world.file(&two, "INSERT INTO a VALUES (2);\n");
        world.send("too late").refused(&["released-edited", "it has run on dev/shop"]);
    }
}

#[test]
fn what_no_transaction_holds_goes_on_behind_what_ran() {
    on_all(|database, world| {
        let alone = alone(database.engine);
        let text = |last: &str| format!("{GOOD}{alone}\n{last}\n");
        let path = world.migration("1", &text(&format!("{}\nCREATE TABLE b (id INTEGER);", refused(database.engine))));
        world.send("stops half-way").says(&["1##ddl##change.sql:3:1", "statements 1 to 2 of this file ran and stay"]);
        let columns = "mode, state, statements_done, statements_total";
        assert_eq!(history(database, world, columns), "journal|failed|2|4");
        world.in_clone(&["mv", &path, "db/shop/4##ddl##change.sql"]).ok();
        world.send("moved").refused(&["released-renamed"]);
        world.in_clone(&["mv", "db/shop/4##ddl##change.sql", &path]).ok();
        world.file(
            &path,
            &text("CREATE TABLE b (id INTEGER);").replace("id INTEGER PRIMARY", "x TEXT, id INTEGER PRIMARY"),
        );
        world.send("edits what ran").refused(&["released-edited", "it has run on dev/shop"]);
        // What came past every gate is refused where it would run.
        world.without_hooks(|| world.push().ok());
        world
            .on_server(&["apply"])
            .refused(&["statement 1 was edited, but it has run already", "bring back the statements"]);
        assert_eq!(history(database, world, columns), "journal|failed|2|4");
        world.file(&path, &text("CREATE TABLE b (id INTEGER);"));
        world.send("mends what did not run").says(&["1 applied now", "from statement 3"]).ok();
        assert_eq!(history(database, world, columns), "journal|applied|3|3");
        assert_eq!(database.ask(world, "SELECT count(*) FROM b"), "0");
    });
}

#[test]
fn a_whole_push_can_share_a_transaction() {
    on_all(|database, world| {
        world.write_server_file(&format!("{}atomic = \"push\"\n", database.server_file()));
        world.migration("1", GOOD);
        world.send("the table").ok();
        world.file("db/shop/2##dml##x.sql", "INSERT INTO a VALUES (2);\n");
        let three = world.file("db/shop/3##dml##x.sql", "INSERT INTO a VALUES (3), (3);\n");
        world.send("both or none").says(&["failed 3 dml", "nothing of these 2 files stays"]);
        assert_eq!(states(database, world), "1|applied 3|failed");
        assert_eq!(database.ask(world, "SELECT count(*) FROM a"), "0");
        world.file("db/shop/4##ddl##x.sql", &format!("{}\n", alone(database.engine)));
        // What cannot share it runs by itself in its turn; those behind it share one again.
        world.file("db/shop/5##dml##x.sql", "INSERT INTO a VALUES (5);\n");
        let six = world.file("db/shop/6##dml##x.sql", "INSERT INTO a VALUES (6), (6);\n");
        world.file(&three, "INSERT INTO a VALUES (3);\n");
        let told = ["`db/shop/4##ddl##x.sql` cannot run in a transaction, so it runs by itself"];
        world.send("three parts").says(&told).says(&["failed 6 dml", "nothing of these 2 files stays"]);
        assert_eq!(database.ask(world, "SELECT id FROM a ORDER BY id"), "2\n3");
        world.file(&six, "INSERT INTO a VALUES (6);\n");
        world.send("mended").says(&["2 applied now, 6 in all"]).ok();
        assert_eq!(states(database, world), "1|applied 3|applied 2|applied 4|applied 6|applied 5|applied");
        assert_eq!(database.ask(world, "SELECT id FROM a ORDER BY id"), "2\n3\n5\n6");
    });
}

#[test]
fn a_formatted_or_renamed_file_never_runs_again_and_its_row_follows_it() {
    on_all(|database, world| {
        let one = world.migration("1", GOOD);
        let two = world.migration("2", "CREATE TABLE b (id INTEGER);\n");
        world.migration("3", "CREATE TABLE c (id INTEGER);\n");
        world.send("three").ok();
        world.file(&one, "CREATE TABLE a -- the first\r\n (id INTEGER PRIMARY KEY);\r\n");
        world.in_clone(&["mv", &two, "db/shop/2##ddl##other.sql"]).ok();
        world.in_clone(&["rm", "-q", "db/shop/3##ddl##change.sql"]).ok();
        world.without_hooks(|| world.send("past every gate").ok());
        let gone = "version 3 ddl was applied from `db/shop/3##ddl##change.sql`, which is not in this commit";
        let odd = [
            "`db/shop/1##ddl##change.sql` differs from what was applied only in white space, comments or line endings",
            "version 2 ddl was applied from `db/shop/2##ddl##change.sql`, now `db/shop/2##ddl##other.sql`",
            gone,
        ];
        // To look changes nothing; what is applied is said once, and what is missing for as long as it is.
        for command in ["plan", "status", "apply"] {
            world.on_server(&[command]).says(&odd).ok();
        }
        let again = world.on_server(&["apply"]).says(&["up to date, 2 applied", gone]).ok();
        assert!(!flat(&again).contains(odd[0]) && !flat(&again).contains("now `db"), "{again}");
        assert_eq!(history(database, world, "attempt").replace('\n', " "), "1 1 1");
        assert_eq!(
            history(database, world, "path, description").lines().nth(1),
            Some("db/shop/2##ddl##other.sql|Other")
        );
        let blob = world.in_clone(&["rev-parse", "HEAD:db/shop/1##ddl##change.sql"]).ok();
        let head = world.in_clone(&["rev-parse", "HEAD"]).ok();
        assert_eq!(
            history(database, world, "blob_id, commit_id").lines().next(),
            Some(&*format!("{}|{}", blob.trim(), head.trim()))
        );
        let events = format!("SELECT count(*) FROM {} WHERE event = 'resolved'", database.history("event"));
        assert_eq!(database.ask(world, &events), "2");
        world.file(&one, "CREATE TABLE a (id INTEGER PRIMARY KEY, x INTEGER);\n");
        world.migration("4", "CREATE TABLE d (id INTEGER);\n");
        world.without_hooks(|| world.send("other content past every gate").ok());
        let said = world
            .on_server(&["apply"])
            .refused(&["STOPPED: nothing ran", "version 1 ddl was applied from other content"]);
        assert_eq!(states(database, world), "1|applied 2|applied 3|applied");
        // The command that is said brings back what ran.
        let command = flat(&said);
        let commit = command.split_once("git checkout ").unwrap().1.split(' ').next().unwrap();
        assert_eq!(commit, head.trim());
    });
}

#[test]
fn a_cherry_picked_file_runs_once_and_its_twin_under_another_version_again() {
    on_all(|database, world| {
        let server = database.server_file().replace("[\"main\"]", "[\"main\", \"release/*\"]");
        world.write_server_file(&server);
        world.migration("1", GOOD);
        world.send("one").ok();
        world.in_clone(&["push", "-q", "--no-verify", "origin", "HEAD:release/1"]).ok();
        world.in_clone(&["checkout", "-q", "-b", "fix", "HEAD"]).ok();
        world.file("db/shop/2##dml##fix.sql", "INSERT INTO a VALUES (2);\n");
        world.commit("fix");
        world.in_clone(&["push", "-q", "--no-verify", "origin", "HEAD:release/1"]).says(&["1 applied now"]).ok();
        world.in_clone(&["checkout", "-q", "main"]).ok();
        world.migration("3", "CREATE TABLE b (id INTEGER);\n");
        world.commit("something else");
        world.in_clone(&["cherry-pick", "fix"]).ok();
        let said = world.push().says(&["applied 3 ddl", "1 applied now, 3 in all"]).ok();
        assert!(!said.contains("2 dml"), "{said}");
        assert_eq!(database.ask(world, "SELECT count(*) FROM a"), "1");
        assert_eq!(history(database, world, "attempt").replace('\n', " "), "1 1 1");
    });
}

#[test]
fn a_late_file_runs_only_with_leave_and_is_marked() {
    on_all(|database, world| {
        world.migration("5", GOOD);
        world.send("five").ok();
        world.migration("3", "CREATE TABLE b (id INTEGER);\n");
        world.send("late").refused(&["out-of-order", "schemagate renumber"]);
        world.without_hooks(|| world.push().ok());
        world.on_server(&["apply"]).refused(&["version 3 ddl has not run, and version 5 has", "schemagate renumber"]);
        let leave = database.manifest().replace("[project.databases", "out-of-order = \"allow\"\n[project.databases");
        world.file("schemagate.toml", &leave);
        world.send("leave").says(&["applied 3 ddl"]).ok();
        assert_eq!(history(database, world, "version, out_of_order"), "5|0\n3|1");
    });
}

#[test]
fn what_was_told_to_a_session_ends_with_its_file() {
    let other = |engine| match engine {
        Engine::Postgres => ("SET application_name = 'mine';", "current_setting('application_name')", "mine"),
        Engine::Sqlite => {
            ("PRAGMA case_sensitive_like = ON;", "CASE WHEN 'a' LIKE 'A' THEN 'other' ELSE 'mine' END", "mine")
        }
        _ => ("SET SESSION time_zone = '+05:00';", "@@session.time_zone", "+05:00"),
    };
    on_all(|database, world| {
        world.migration("1", "CREATE TABLE a (id INTEGER PRIMARY KEY, seen VARCHAR(50));\n");
        let (told, seen, mine) = other(database.engine);
        let row = |id: usize| format!("INSERT INTO a SELECT {id}, {seen};\n");
        world.file("db/shop/2##dml##x.sql", &format!("{told}\n{}", row(2)));
        world.file("db/shop/3##dml##x.sql", &row(3));
        world.send("both").says(&["3 applied now"]).ok();
        let seen = database.ask(world, "SELECT seen FROM a ORDER BY id");
        assert_eq!(seen.lines().next(), Some(mine), "{:?}", database.engine);
        assert_ne!(seen.lines().last(), Some(mine), "{:?}", database.engine);
    });
}

#[test]
fn who_is_in_the_way_is_waited_for_as_long_as_it_may_take() {
    let holds = |engine| match engine {
        Engine::Postgres => "BEGIN; LOCK TABLE a; SELECT pg_sleep(4); COMMIT;",
        Engine::Sqlite => "BEGIN IMMEDIATE; INSERT INTO a VALUES (9); SELECT 1;\n.shell sleep 4\nCOMMIT;",
        _ => "LOCK TABLES a WRITE; DO SLEEP(4); UNLOCK TABLES;",
    };
    on_all(|database, world| {
        world.migration("1", GOOD);
        world.send("one").ok();
        world.file("db/shop/2##dml##x.sql", "-- schemagate: lock-timeout = 1s\nINSERT INTO a VALUES (2);\n");
        world.commit("two");
        let mut holder = meanwhile(database, world, holds(database.engine));
        let said = world.push().says(&["1 applied now"]).ok();
        // SQLite waits for the whole database, before the file begins.
        let retried = said.contains("retrying db/shop/2##dml##x.sql: statement 1");
        assert_eq!(retried, database.engine != Engine::Sqlite, "{:?}:\n{said}", database.engine);
        holder.wait().unwrap();
        assert_eq!(history(database, world, "attempt").replace('\n', " "), "1 1");
    });
}

#[test]
fn a_push_may_return_before_its_rollout_ends() {
    on_all(|database, world| {
        world.write_server_file(&format!("detach = true\n{}", database.server_file()));
        world.migration("1", GOOD);
        world.file("db/shop/1##dml##wait.sql", &format!("{}\nINSERT INTO a VALUES (1);\n", slow(database.engine)));
        world.send("slow").says(&["rolling out in the background"]).ok();
        world.on_server(&["status"]).says(&["the last rollout after a push is running"]);
        // Whoever of the two is first, the other one waits for it.
        let said = world.on_server(&["apply"]).ok();
        assert!(said.contains("up to date, 2 applied") || said.contains("2 applied now, 2 in all"), "{said}");
        let begun = std::time::Instant::now();
        while !world.on_server(&["status"]).text.contains("ended, no target in trouble") {
            assert!(begun.elapsed().as_secs() < 30, "the rollout did not end");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert_eq!(database.ask(world, "SELECT count(*) FROM a"), "1");
    });
}
