//! Servers that crash, fall silent or have no room left, in the middle of a run.

use crate::databases::{Database, Engine, mysql_database, postgres_database};
use crate::faults::{assert_true, state, use_database, waiting_world};
use crate::proxy::{Harm, Proxy};
use crate::servers::{Room, Server, start_mariadb, start_mysql, start_postgres};
use crate::support::{Done, PROGRAM};

/// Starts a server of its own for a test.
fn start(engine: Engine, room: Room) -> Server {
    match engine {
        Engine::Postgres => start_postgres(room),
        Engine::Mysql => start_mysql(room),
        _ => start_mariadb(room),
    }
}

fn database(engine: Engine, server: &Server, name: String) -> Database {
    if engine == Engine::Postgres {
        postgres_database(&server.folder, name)
    } else {
        mysql_database(engine, &server.folder, name)
    }
}

fn wait_until_it_answers(database: &Database) {
    let begun = std::time::Instant::now();
    while !database.answers() {
        assert!(begun.elapsed().as_secs() < 60, "the server did not come back");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Crashes a server at messages that lie apart, each time with a new database.
fn crashes(engine: Engine, apart: usize) -> usize {
    let server = start(engine, Room::Restarts);
    let world = waiting_world(engine);
    let proxy = Proxy::start(&world.path().join(engine.socket()), &server.folder.join(engine.socket()));
    let reference = database(engine, &server, "reference".to_owned());
    use_database(&world, &reference.server_file());
    world.on_server(&["apply"]).ok();
    let expected = state(&reference, &world);
    let mut crashes = 0;
    for at in (3..).step_by(apart) {
        let database = database(engine, &server, format!("crash_{at}"));
        let (home, through) = (server.folder.display().to_string(), world.path().display().to_string());
        use_database(&world, &database.server_file().replace(&home, &through));
        proxy.plan(Harm::Crash, at);
        proxy.victim(server.process());
        let done = Done::of(&world.command(PROGRAM, &world.server()).arg("apply").output().unwrap());
        let Some(point) = proxy.point() else { break };
        crashes += 1;
        proxy.plan(Harm::None, 0);
        wait_until_it_answers(&database);
        assert_true(&done, &database, &world, at);
        let again = world.on_server(&["apply"]);
        assert_eq!(again.code, 0, "message {at}, {point}:\n{}\nthen:\n{}", done.text, again.text);
        assert_eq!(state(&database, &world), expected, "message {at}, {point}:\n{}\nthen:\n{}", done.text, again.text);
    }
    crashes
}

#[test]
fn a_postgres_that_crashes_comes_back_and_the_next_run_makes_good() {
    assert!(crashes(Engine::Postgres, 7) > 10);
}

#[test]
fn a_mariadb_or_mysql_that_crashes_comes_back_and_the_next_run_makes_good() {
    for engine in Engine::mysqls() {
        assert!(crashes(engine, 9) > 10);
    }
}

#[test]
fn a_network_that_falls_silent_ends_the_run_and_loses_nothing() {
    std::thread::scope(|scope| {
        for engine in Engine::servers() {
            scope.spawn(move || falls_silent(engine));
        }
    });
}

fn falls_silent(engine: Engine) {
    let server = engine.server();
    let world = waiting_world(engine);
    let proxy = Proxy::start(&world.path().join(engine.socket()), &server.folder.join(engine.socket()));
    let database = engine.database();
    let (home, through) = (server.folder.display().to_string(), world.path().display().to_string());
    use_database(&world, &database.server_file().replace(&home, &through));
    proxy.plan(Harm::Freeze, 40);
    let done = world.on_server(&["apply"]);
    assert_eq!(done.code, 1, "{}", done.text);
    assert!(proxy.point().is_some(), "nothing was frozen");
    // What was on its way arrives late, and then the end of the connection.
    proxy.plan(Harm::None, 0);
    done.says(&["the server does not answer any more"]);
    use_database(&world, &database.server_file());
    world.on_server(&["apply"]).ok();
    let reference = engine.database();
    use_database(&world, &reference.server_file());
    world.on_server(&["apply"]).ok();
    assert_eq!(state(&database, &world), state(&reference, &world));
}

/// Fills the file system of a server but for so many KiB; returns the file that does.
fn fill(server: &Server, left: u64) -> std::path::PathBuf {
    let inside = format!("/proc/{}/root{}/room", server.process(), server.folder.display());
    let free = nix::sys::statvfs::statvfs(inside.as_str()).unwrap();
    let size = free.blocks_available() * free.block_size() - left * 1024;
    let ballast = std::path::Path::new(&inside).join("ballast");
    std::fs::write(&ballast, vec![0; usize::try_from(size).unwrap()]).unwrap();
    ballast
}

/// Runs files on a server whose disk has too little room for one of them.
fn runs_out_of_room(engine: Engine) {
    let server = start(engine, Room::Small(400));
    let database = database(engine, &server, "small".to_owned());
    let world = database.world();
    let many = match engine {
        Engine::Postgres => "SELECT n, repeat('x', 800) FROM generate_series(1, 40000) AS s(n)",
        _ => {
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199) \
              SELECT a.i * 200 + b.i, repeat('x', 800) FROM n AS a JOIN n AS b"
        }
    };
    std::fs::remove_file(world.server().join("hooks/post-receive")).unwrap();
    world.migration("1", "CREATE TABLE a (id INTEGER, name VARCHAR(1000));\nCREATE TABLE b (id INTEGER);\n");
    world.file("db/shop/1##dml##rows.sql", "INSERT INTO b VALUES (1);\n");
    world.file(
        "db/shop/2##dml##rows.sql",
        &format!("INSERT INTO b VALUES (2);\nINSERT INTO a {many};\nINSERT INTO b VALUES (3);\n"),
    );
    world.migration("3", "CREATE TABLE c (id INTEGER);\nCREATE INDEX a_id ON a (id);\n");
    world.send("all").ok();
    let ballast = fill(&server, 12 * 1024);
    let done = world.on_server(&["apply"]);
    assert_eq!(done.code, 1, "{}", done.text);
    let done = done.says(&["applied 1 dml"]);
    println!("{}", done.text);
    std::fs::remove_file(ballast).unwrap();
    wait_until_it_answers(&database);
    assert_eq!(database.ask(&world, "SELECT count(*) FROM b"), "1", "{}", done.text);
    assert_eq!(database.ask(&world, "SELECT count(*) FROM a"), "0", "{}", done.text);
    world.on_server(&["apply"]).says(&["2 applied now, 4 in all"]).ok();
    assert_eq!(database.ask(&world, "SELECT (SELECT sum(id) FROM b), (SELECT count(*) FROM a)"), "6|40000");
}

#[test]
fn a_server_without_room_takes_back_the_file_and_goes_on_when_there_is_some() {
    if !crate::servers::may_mount() {
        println!("not run: this user may not mount a small file system (unshare -m)");
        return;
    }
    std::thread::scope(|scope| {
        for engine in Engine::servers() {
            scope.spawn(move || runs_out_of_room(engine));
        }
    });
}
