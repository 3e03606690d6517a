//! What people decide: `resolve` shows first, does one thing to one migration of one target, and leaves a trace.

use crate::databases::{Database, Engine};
use crate::doubt::on;
use crate::engines::slow;
use crate::support::{Done, World};

/// A database with a table, and a change of rows that failed.
fn with_a_failure(engine: Engine) -> (Database, World) {
    let (database, world) = on(engine);
    world.file("db/shop/1##ddl##a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);\n");
    world.file("db/shop/2##dml##rows.sql", "INSERT INTO a VALUES (1);\nINSERT INTO a VALUES (1);\n");
    world.send("fails").says(&["FAILED after 1 of 2"]);
    (database, world)
}

fn states(database: &Database, world: &World) -> String {
    let sql = format!("SELECT version, state FROM {} ORDER BY version", database.history("migration"));
    database.ask(world, &sql).replace('\n', " ")
}

#[test]
fn what_is_called_not_applied_runs_anew_from_its_first_statement() {
    for engine in Engine::all() {
        let (database, world) = with_a_failure(engine);
        let shown =
            world.on_server(&["resolve", "2", "--not-applied"]).refused(&["is failed", "run it again with --yes"]);
        assert!(shown.contains("would take its row out of the history"), "{shown}");
        assert_eq!(states(&database, &world), "1|applied 2|failed");
        world.on_server(&["resolve", "2", "--not-applied", "--yes"]).says(&["done: take its row out"]).ok();
        assert_eq!(states(&database, &world), "1|applied");
        world.file("db/shop/2##dml##rows.sql", "INSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);\n");
        world.send("mends").says(&["1 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "2", "{engine:?}");
    }
}

#[test]
fn what_is_called_applied_never_runs() {
    for engine in Engine::all() {
        let (database, world) = with_a_failure(engine);
        world.on_server(&["resolve", "2", "--applied", "--yes"]).says(&["done: record that all of it ran"]).ok();
        world.on_server(&["apply"]).says(&["up to date"]).ok();
        assert_eq!(states(&database, &world), "1|applied 2|applied");
        assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "0", "{engine:?}");
        let events = format!("SELECT detail FROM {} WHERE event = 'resolved'", database.history("event"));
        assert_eq!(database.ask(&world, &events), "marked as applied");
    }
}

#[test]
fn the_file_of_what_is_forgotten_may_go_and_never_runs_again() {
    for engine in Engine::all() {
        let (database, world) = on(engine);
        let (one, two) = ("CREATE TABLE a (id INTEGER);\n", "CREATE TABLE b (id INTEGER);\n");
        world.file("db/shop/1##ddl##a.sql", one);
        world.file("db/shop/2##ddl##b.sql", two);
        world.send("both").ok();
        std::fs::remove_file(world.clone_().join("db/shop/2##ddl##b.sql")).unwrap();
        world.send("removes it").refused(&["released-deleted"]);
        let shown = world.on_server(&["resolve", "2", "--forget"]).refused(&["is applied", "--yes"]);
        assert!(shown.contains("would record that it does not matter here"), "{shown}");
        world.on_server(&["resolve", "2", "--forget", "--yes"]).says(&["never runs again"]).ok();
        let said = world.push().ok();
        assert!(!said.contains("not in this commit"), "{said}");
        assert_eq!(states(&database, &world), "1|applied 2|forgotten");
        world.on_server(&["history"]).says(&["2 ddl forgotten"]).ok();
        // The same content does not run; another one under its version is put to people.
        world.file("db/shop/2##ddl##b.sql", two);
        world.send("is back").says(&["version 2 ddl was forgotten here, so `db/shop/2##ddl##b.sql` does not run"]).ok();
        world.file("db/shop/2##ddl##b.sql", "CREATE TABLE c (id INTEGER);\n");
        world.send("is another").says(&["was forgotten here, and `db/shop/2##ddl##b.sql` says something else"]);
        world.on_server(&["resolve", "2", "--not-applied", "--yes"]).ok();
        world.on_server(&["apply"]).says(&["1 applied now"]).ok();
        assert_eq!(database.ask(&world, "SELECT count(*) FROM c"), "0", "{engine:?}");
    }
}

#[test]
fn who_removes_the_lock_file_of_sqlite_stops_the_run() {
    let (database, world) = on(Engine::Sqlite);
    world.migration("1", &format!("CREATE TABLE a (id INTEGER);\n{}\n", slow(Engine::Sqlite)));
    world.migration("2", "CREATE TABLE b (id INTEGER);\n");
    world.apply_nothing();
    world.send("both").ok();
    let child = world.begin_apply();
    let lock = world.server().join(format!("{}.sqlite.schemagate-lock", database.name()));
    while !std::fs::read_to_string(&lock).is_ok_and(|text| !text.is_empty()) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::fs::remove_file(&lock).unwrap();
    let done = Done::of(&child.wait_with_output().unwrap());
    done.refused(&["the lock of this database was lost"]);
    assert_eq!(database.ask(&world, "SELECT count(*) FROM sqlite_master WHERE name = 'b'"), "0");
    world.on_server(&["apply"]).says(&["2 in all"]).ok();
}

#[test]
fn what_was_cut_off_before_anything_ran_may_be_let_go() {
    let (database, world) = on(Engine::Postgres);
    world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.send("table").ok();
    let path = "db/shop/2##dml##x.sql";
    world.file(path, "INSERT INTO a SELECT 1 FROM pg_sleep(600);\n");
    world.without_hooks(|| world.send("runs away").ok());
    let mut child = world.begin_apply();
    let running =
        "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^INSERT.*pg_sleep.600' AND datname = current_database()";
    while database.ask(&world, running) != "1" {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^INSERT.*pg_sleep.600'";
    database.ask(&world, end);
    world.file(path, "INSERT INTO a VALUES (1);\n");
    world.send("mended").refused(&["released-edited", "it was about to run on dev/shop", "--not-applied"]);
    world
        .on_server(&["resolve", path, "--not-applied"])
        .refused(&["was about to run when its rollout was cut off", "--yes"]);
    world.on_server(&["resolve", path, "--not-applied", "--yes"]).says(&["done: nobody is at work there"]).ok();
    world.push().says(&["1 applied now, 2 in all"]).ok();
    assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "1");
}
