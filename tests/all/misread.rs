//! What is easily taken for something else: names that are words elsewhere, orphans that were there before, work of others.

use crate::databases::{Database, Engine};
use crate::doubt::on;
use crate::identity::empty;
use crate::support::World;
use crate::traps::{history, keys};
use crate::truth::meanwhile;

/// A database with a reference that was broken before, and a gap in the numbers of its rows.
fn orphans() -> (Database, World) {
    let (database, world) = on(Engine::Sqlite);
    world.migration(
        "1",
        "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (name TEXT, p INTEGER REFERENCES p (id));\n",
    );
    world.send("tables").ok();
    database.ask(&world, "INSERT INTO p VALUES (1); INSERT INTO c VALUES ('a', 1), ('b', 1), ('orphan', 99); DELETE FROM c WHERE name = 'a'");
    (database, world)
}

#[test]
fn an_orphan_is_the_same_one_when_its_table_is_made_anew() {
    for text in [
        "CREATE TABLE c_new (name TEXT NOT NULL, p INTEGER REFERENCES p (id));\nINSERT INTO c_new SELECT name, p FROM c;\nDROP TABLE c;\nALTER TABLE c_new RENAME TO c;\n",
        "ALTER TABLE c RENAME TO c2;\n",
        "ALTER TABLE p RENAME TO p2;\n",
        "VACUUM;\nINSERT INTO p VALUES (5);\n",
        "CREATE TABLE c_new (name TEXT, p INTEGER REFERENCES P (id));\nINSERT INTO c_new SELECT name, p FROM c;\nDROP TABLE c;\nALTER TABLE c_new RENAME TO c;\n",
    ] {
        let (_, world) = orphans();
        world.migration("2", text);
        world.send("again").says(&["1 applied now"]).ok();
    }
    for text in [
        "CREATE TABLE c_new (name TEXT NOT NULL, p INTEGER REFERENCES p (id));\nINSERT INTO c_new SELECT name, 98 FROM c;\nDROP TABLE c;\nALTER TABLE c_new RENAME TO c;\n",
        "UPDATE c SET p = 97 WHERE name = 'orphan';\n",
        "INSERT INTO c VALUES ('more', 99);\n",
    ] {
        let (_, world) = orphans();
        world.migration("2", text);
        world.send("worse").says(&["refer to rows of p that do not exist"]);
    }
}

#[test]
fn an_orphan_is_the_same_one_whatever_its_table_and_its_columns_are_called() {
    for text in [
        "CREATE TABLE c_new (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id));\nINSERT INTO c_new SELECT id, p FROM c;\nDROP TABLE c;\nALTER TABLE c_new RENAME TO c;\n",
        "CREATE TEMP TABLE c AS SELECT id FROM main.c;\nUPDATE main.p SET id = id;\n",
        "ALTER TABLE c ADD COLUMN _rowid_ INTEGER;\n",
    ] {
        let (database, world) = on(Engine::Sqlite);
        world.migration("1", "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (id INTEGER PRIMARY KEY, p TEXT REFERENCES p (id));\n");
        world.send("tables").ok();
        database.ask(&world, "INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, '1'), (2, '99')");
        world.migration("2", text);
        world.send("again").says(&["1 applied now"]).ok();
    }
}

#[test]
fn what_others_break_meanwhile_is_not_held_against_a_file() {
    let (database, world) = orphans();
    for number in 2..300 {
        world.file(&format!("db/shop/{number}##dml##x.sql"), &format!("INSERT INTO p VALUES ({});\n", number + 1000));
    }
    world.commit("many");
    let file = world.server().join(format!("{}.sqlite", database.name()));
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let mut other = std::process::Command::new("sqlite3");
                let _ =
                    other.args(["-cmd", ".timeout 2000"]).arg(&file).arg("INSERT INTO c VALUES ('app', 77)").output();
            }
        });
        let done = world.push();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        done.says(&["298 applied now"]).ok();
    });
    assert_ne!(database.ask(&world, "SELECT count(*) FROM c WHERE p = 77"), "0");
}

#[test]
fn columns_that_are_called_like_words_of_accounts_and_functions_are_columns() {
    for engine in Engine::mysqls() {
        for (bad, good) in [
            (
                "CREATE TABLE o (id INT PRIMARY KEY, user INT, FOREIGN KEY (user) REFERENCES nope (id));\n",
                "CREATE TABLE o (id INT PRIMARY KEY, user INT);\n",
            ),
            (
                "CREATE TABLE changes (row_count INT);\nALTER TABLE nowhere ADD x INT;\nUPDATE changes SET row_count = 1;\n",
                "CREATE TABLE changes (row_count INT);\nCREATE TABLE nowhere (x INT);\nUPDATE changes SET row_count = 1;\n",
            ),
        ] {
            let (_, world) = on(engine);
            world.migration("1", bad);
            world.send("fails").says(&["FAILED"]);
            world.migration("1", good);
            world.send("mended").says(&["1 applied now"]).ok();
        }
        let (database, world) = on(engine);
        world.write_server_file(&keys(&database, "lock-timeout = \"1s\"", ""));
        world.migration("1", "CREATE TABLE a (id INT PRIMARY KEY);\n");
        world.send("first").ok();
        world.migration("2", "ALTER TABLE a ADD COLUMN user INT, ADD COLUMN x INT;\n");
        world.commit("b");
        let mut holder = meanwhile(&database, &world, "START TRANSACTION; SELECT * FROM a; DO SLEEP(4); COMMIT");
        world.push().says(&["retrying", "1 applied now"]).ok();
        holder.wait().unwrap();
    }
}

#[test]
fn a_definition_is_tried_again_whatever_the_file_told_its_session() {
    for engine in Engine::mysqls() {
        let (database, world) = on(engine);
        world.write_server_file(&keys(&database, "lock-timeout = \"1s\"", ""));
        world.migration("1", "CREATE TABLE a (id INT PRIMARY KEY);\nCREATE TABLE l (n INT);\n");
        world.send("first").ok();
        world.migration(
            "2",
            "SET @n = (SELECT count(*) FROM a);\nALTER TABLE a ADD COLUMN x INT;\nINSERT INTO l VALUES (@n);\n",
        );
        world.commit("b");
        let mut holder = meanwhile(&database, &world, "START TRANSACTION; SELECT * FROM a; DO SLEEP(4); COMMIT");
        world.push().says(&["retrying", "1 applied now"]).ok();
        holder.wait().unwrap();
        assert_eq!(database.ask(&world, "SELECT n FROM l"), "0");
    }
}

#[test]
fn the_encoding_of_a_file_is_not_that_of_the_history() {
    let (database, world) = on(Engine::Postgres);
    world
        .file("db/shop/1##ddl##gr\u{f6}\u{df}e.sql", "SET client_encoding = 'LATIN1';\nCREATE TABLE a (id INTEGER);\n");
    world.send("one").says(&["1 applied now"]).ok();
    assert_eq!(history(&database, &world, "path"), "db/shop/1##ddl##gr\u{f6}\u{df}e.sql");
    world.on_server(&["apply"]).says(&["up to date, 1 applied"]).ok();
}

#[test]
fn a_setting_that_counts_on_itself_is_not_made_twice() {
    for engine in Engine::mysqls() {
        for (text, said) in [
            (
                "SET @@GLOBAL.max_connect_errors = @@GLOBAL.max_connect_errors + 10;\n",
                "whether it took effect is not known",
            ),
            ("SET GLOBAL max_connect_errors = 500;\n", "runs again: if it had run, that does no harm"),
        ] {
            let (database, world) = on(engine);
            world.file("db/shop/1##dml##x.sql", text);
            world.send("one").ok();
            // As if it was killed behind the statement and before the record.
            let back =
                "UPDATE schemagate_migration SET seal = '', state = 'running', statements_done = 0, statement_open = 1";
            database.ask(&world, back);
            world.on_server(&["apply"]).says(&[said]);
            database.ask(&world, "SET GLOBAL max_connect_errors = DEFAULT");
        }
    }
}

#[test]
fn an_index_that_others_build_is_not_called_left_by_us() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE a (id INTEGER, v INTEGER);\n");
    world.file("db/shop/1##dml##rows.sql", "INSERT INTO a VALUES (1, 1), (1, 2), (3, 3);\n");
    world.send("a").ok();
    world.migration("2", "CREATE UNIQUE INDEX CONCURRENTLY ours ON a (id);\n");
    world.commit("b");
    let mut writer = meanwhile(&database, &world, "BEGIN; UPDATE a SET v = 5 WHERE id = 3; SELECT pg_sleep(3); COMMIT");
    let said = std::thread::scope(|scope| {
        let pushed = scope.spawn(|| world.push());
        std::thread::sleep(std::time::Duration::from_millis(1300));
        let mut other = meanwhile(&database, &world, "CREATE INDEX CONCURRENTLY theirs ON a (v)");
        let mut second = meanwhile(&database, &world, "BEGIN; INSERT INTO a VALUES (9, 9); SELECT pg_sleep(4); COMMIT");
        let said = pushed.join().unwrap().says(&["could not create unique index"]).text;
        assert!(second.wait().unwrap().success() && other.wait().unwrap().success());
        said
    });
    writer.wait().unwrap();
    assert!(!said.contains("theirs"), "{said}");
    assert_eq!(database.ask(&world, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'theirs'::regclass"), "t");
}

#[test]
fn a_restored_database_says_what_runs_again_and_what_cannot() {
    for engine in Engine::all() {
        let (database, world) = on(engine);
        world.migration("1", "CREATE TABLE a (id INTEGER);\n");
        world.send("a").ok();
        let backup = database.backup(&world);
        let gone = world.migration("2", "CREATE TABLE b (id INTEGER);\n");
        world.migration("3", "CREATE TABLE c (id INTEGER);\n");
        world.send("b").ok();
        world.without_hooks(|| {
            world.in_clone(&["rm", "-q", &gone]).ok();
            world.send("gone").ok()
        });
        empty(&database, &world);
        database.restore(&world, &backup);
        world
            .on_server(&["apply"])
            .says(&["1 of its migrations run again: 3 ddl; 1 migration cannot, as the files are gone"]);
        assert_eq!(history(&database, &world, "version").replace('\n', " "), "1 3");
    }
}

#[test]
fn runs_that_want_locks_of_their_own_wait_for_each_other() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.send("a").ok();
    world.apply_nothing();
    for number in 2..40 {
        world.migration(
            &number.to_string(),
            &format!("SELECT pg_advisory_lock(7);\nINSERT INTO a VALUES ({number});\n"),
        );
    }
    world.send("all").ok();
    for run in [(); 3].map(|()| world.begin_apply()) {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert_eq!(database.ask(&world, "SELECT count(*), count(DISTINCT id) FROM a"), "38|38");
}

#[test]
fn what_was_there_before_a_definition_is_not_taken_for_its_work() {
    // MySQL does not wait for a lock there, so nothing can be stopped in it.
    let engine = Engine::Mariadb;
    for (first, done) in [("", "0"), ("CREATE TABLE b (id INT);\n", "1"), ("INSERT INTO c VALUES (1);\n", "1")] {
        let (database, world) = on(engine);
        database.ask(&world, "CREATE TABLE c (id INT); CREATE TABLE a (by_hand INT)");
        world.apply_nothing();
        world.migration("1", &format!("{first}CREATE TABLE a (id INT);\n"));
        world.send("one").ok();
        // The definition waits for a lock and is killed there: it is marked, or not, and did nothing.
        let mut holder = meanwhile(&database, &world, "LOCK TABLES a WRITE; DO SLEEP(4)");
        let mut run = world.begin_apply();
        let running = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'CREATE TABLE a (id%'";
        let begun = std::time::Instant::now();
        while database.ask(&world, running) == "0" {
            assert!(begun.elapsed().as_secs() < 30, "it did not begin");
        }
        run.kill().unwrap();
        run.wait().unwrap();
        holder.wait().unwrap();
        let row = history(&database, &world, "state, statements_done, statement_open");
        assert_eq!(row, format!("running|{done}|0"), "{engine:?}: {first}");
        world.on_server(&["apply"]).says(&["Table 'a' already exists", "the others did not run"]);
        database.ask(&world, "DROP TABLE a");
        world.on_server(&["apply"]).says(&["1 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT count(*) FROM c"), if first.contains("INTO c") { "1" } else { "0" });
    }
}
