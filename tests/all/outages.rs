//! Servers that crash, fall silent or have no room left, in the middle of a run.

use std::path::Path;

use crate::databases::{Database, Engine, mysql_database, postgres_database};
use crate::matrix_cases::{Manner, state, use_database};
use crate::proxy::{Harm, Proxy};
use crate::servers::{Place, Room, Server, start_mariadb, start_mysql, start_postgres};

/// Starts a server of its own for a test.
pub(crate) fn start(engine: Engine, room: Room) -> Server {
    match engine {
        Engine::Postgres => start_postgres(room),
        Engine::Mysql => start_mysql(room),
        _ => start_mariadb(room),
    }
}

pub(crate) fn database(engine: Engine, server: &Server, name: String) -> Database {
    if engine == Engine::Postgres {
        postgres_database(&server.folder, name)
    } else {
        mysql_database(engine, &server.folder, name)
    }
}

pub(crate) fn wait_until_it_answers(database: &Database) {
    let begun = std::time::Instant::now();
    while !database.answers() {
        assert!(begun.elapsed().as_secs() < 60, "the server did not come back");
        std::thread::sleep(std::time::Duration::from_millis(50));
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
    let world = Manner::File.world(engine);
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

/// Fills a file system but for so many KiB.
pub(crate) fn fill(room: &Path, left: u64) {
    let free = nix::sys::statvfs::statvfs(room).unwrap();
    let size = (free.blocks_available() * free.block_size()).saturating_sub(left * 1024);
    let ballast = room.join("ballast");
    // The server may take the last room before us.
    if let Err(error) = std::fs::write(&ballast, vec![0; usize::try_from(size).unwrap()]) {
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }
}

/// Gives a server the room back; without any it may end and be started again meanwhile, as another process.
pub(crate) fn empty(place: &Place) {
    for _ in 0..200 {
        if std::fs::remove_file(place.room().join("ballast")).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("the file system of the server was not found");
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
    world.apply_nothing();
    world.migration("1", "CREATE TABLE a (id INTEGER, name VARCHAR(1000));\nCREATE TABLE b (id INTEGER);\n");
    world.file("db/shop/1##dml##rows.sql", "INSERT INTO b VALUES (1);\n");
    world.file(
        "db/shop/2##dml##rows.sql",
        &format!("INSERT INTO b VALUES (2);\nINSERT INTO a {many};\nINSERT INTO b VALUES (3);\n"),
    );
    world.migration("3", "CREATE TABLE c (id INTEGER);\nCREATE INDEX a_id ON a (id);\n");
    world.send("all").ok();
    fill(&server.place.room(), 12 * 1024);
    let done = world.on_server(&["apply"]);
    assert_eq!(done.code, 1, "{}", done.text);
    let done = done.says(&["applied 1 dml"]);
    println!("{}", done.text);
    empty(&server.place);
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
