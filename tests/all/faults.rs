//! Faults of single kinds: whatever stops a run, the next one brings the database to the same state, and nothing that was
//! said was untrue. Those at every moment of a run are in `matrix`.

use std::process::Stdio;

use crate::databases::{Database, Engine};
use crate::matrix_cases::use_database;
use crate::support::{Done, World};

/// Ends the server's side of every session that runs on a database, in the middle of a statement.
fn stop_in_mid_statement(database: &Database, world: &World) {
    let begun = std::time::Instant::now();
    loop {
        assert!(begun.elapsed().as_secs() < 30, "the statement never ran");
        let stopped = match database.engine {
            Engine::Postgres => database.ask(
                world,
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()",
            ),
            _ => {
                let id = database.ask(world, "SELECT coalesce(max(id), 0) FROM information_schema.processlist WHERE db = database() AND info LIKE '%sleep(60)%' AND id <> connection_id()");
                if id != "0" {
                    database.ask(world, &format!("KILL {id}"));
                }
                id
            }
        };
        if stopped != "0" {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_session_that_the_server_ends_in_mid_statement_is_said_and_made_good() {
    for engine in Engine::servers() {
        let sleep = if engine == Engine::Postgres { "SELECT pg_sleep(60);" } else { "DO sleep(60);" };
        for journal in [false, true] {
            let database = engine.database();
            let world = database.world();
            world.migration("1", "CREATE TABLE a (id INTEGER);\n");
            world.send("table").ok();
            let head = if journal { "-- schemagate: no-transaction\n" } else { "" };
            let path = "db/shop/2##dml##slow.sql";
            world.file(path, &format!("{head}INSERT INTO a VALUES (1);\n{sleep}\nINSERT INTO a VALUES (2);\n"));
            world.apply_nothing();
            world.send("slow").ok();
            let child = world.begin_apply();
            stop_in_mid_statement(&database, &world);
            let done = Done::of(&child.wait_with_output().unwrap());
            let left = if journal { "statement 1 of this file ran and stays" } else { "nothing of this file stays" };
            done.refused(&["the connection was lost", left]);
            let there = if journal { "1" } else { "0" };
            assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), there, "{engine:?} {journal}");
            // A failed file may be mended; of a journal only what did not run.
            world.file(path, &format!("{head}INSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);\n"));
            let sent = world.send("mended");
            if journal {
                // It may still be running, as far as the ledger knows; and what was in flight left no trace.
                sent.refused(&["released-edited"]);
                world.on_server(&["apply"]).refused(&["whether it took effect is not known"]);
                world.on_server(&["resolve", path, "--from", "2", "--yes"]).ok();
                world.push().ok();
            } else {
                sent.ok();
            }
            world.on_server(&["apply"]).ok();
            assert_eq!(database.ask(&world, "SELECT count(*), sum(id) FROM a"), "2|3", "{engine:?} {journal}");
        }
    }
}

#[test]
fn a_full_disk_takes_back_the_file_and_says_so() {
    let database = Engine::Sqlite.database();
    let world = database.world();
    let limited = format!("{}session = {{ max_page_count = \"40\" }}\n", database.server_file());
    world.write_server_file(&limited);
    world.migration("1", "CREATE TABLE a (id INTEGER, text TEXT);\n");
    world.file(
        "db/shop/2##dml##rows.sql",
        &format!(
            "INSERT INTO a VALUES (1, '{}');\nINSERT INTO a VALUES (2, '{}');\n",
            "x".repeat(40_000),
            "y".repeat(400_000)
        ),
    );
    world.send("fills").says(&[
        "applied 1 ddl",
        "FAILED",
        "database or disk is full",
        "nothing of this file stays",
        "free some space",
    ]);
    assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "0");
    world.write_server_file(&database.server_file());
    world.on_server(&["apply"]).says(&["1 applied now"]).ok();
    assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "2");
}

#[test]
fn two_hooks_at_once_a_hundred_times() {
    for engine in Engine::all() {
        let world = waiting_world_of(engine, "UPDATE a SET n = n + 1;\n");
        for _ in 0..100 {
            let database = engine.database();
            use_database(&world, &database.server_file());
            let runs = [(); 2].map(|()| world.begin_apply());
            for run in runs {
                Done::of(&run.wait_with_output().unwrap()).ok();
            }
            assert_eq!(database.ask(&world, "SELECT n FROM a"), "1");
        }
    }
}

/// A world with a table and one change of its only row.
fn waiting_world_of(engine: Engine, change: &str) -> World {
    let world = World::new(&engine.database().manifest(), &engine.database().server_file());
    world.migration("1", "CREATE TABLE a (id INTEGER, n INTEGER);\n");
    world.file("db/shop/1##dml##row.sql", "INSERT INTO a VALUES (1, 0);\n");
    world.file("db/shop/2##dml##change.sql", change);
    world.apply_nothing();
    world.send("all").ok();
    world
}

/// A pgbouncer in front of the PostgreSQL of this run; returns its folder and the process.
fn pgbouncer(world: &World, mode: &str) -> (std::path::PathBuf, std::process::Child) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = world.path().join(format!("bouncer-{mode}"));
    std::fs::create_dir(&folder).unwrap();
    for open in [world.path(), &folder] {
        std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let config = format!(
        "[databases]\n* = host={}\n[pgbouncer]\nlisten_port = 6432\nlisten_addr =\nunix_socket_dir = {}\nauth_type = any\npool_mode = {mode}\nlogfile = {}\nignore_startup_parameters = extra_float_digits\n",
        Engine::Postgres.server().folder.display(),
        folder.display(),
        folder.join("log").display()
    );
    let config = config.replace("* = host=", "* = user=postgres host=");
    std::fs::write(folder.join("config"), config).unwrap();
    let root =
        String::from_utf8_lossy(&std::process::Command::new("id").arg("-u").output().unwrap().stdout).trim() == "0";
    let mut command = std::process::Command::new(if root { "setpriv" } else { "env" });
    if root {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    let program =
        if std::path::Path::new("/usr/sbin/pgbouncer").exists() { "/usr/sbin/pgbouncer" } else { "pgbouncer" };
    let child =
        command.arg(program).arg(folder.join("config")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = std::time::Instant::now();
    while !folder.join(".s.PGSQL.6432").exists() {
        assert!(begun.elapsed().as_secs() < 20, "pgbouncer did not start");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    (folder, child)
}

#[test]
fn a_pool_that_changes_sessions_is_refused_by_name() {
    let database = Engine::Postgres.database();
    let world = database.world();
    world.migration("1", "CREATE TABLE a (id INTEGER);\n");
    world.apply_nothing();
    world.send("one").ok();
    for (mode, accepted) in [("transaction", false), ("session", true)] {
        let (folder, mut child) = pgbouncer(&world, mode);
        let url = format!("postgres://postgres@localhost:6432/{}?host={}", database.name(), folder.display());
        world.write_server_file(&database.server_file_at(&url));
        let done = world.on_server(&["apply"]);
        child.kill().unwrap();
        child.wait().unwrap();
        if accepted {
            done.says(&["1 applied now"]).ok();
        } else {
            done.refused(&[
                "a pool of connections that changes the session with each transaction",
                "name the database server itself",
            ]);
        }
    }
}
