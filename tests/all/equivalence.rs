//! However a list of migrations comes, in one push, in two, or in one that is killed on its way: the databases end alike.

use std::process::Stdio;

use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert_eq, prop_oneof, strategy::Strategy};

use crate::databases::{Database, Engine};
use crate::proxy::{Harm, Proxy};
use crate::support::{PROGRAM, World};

/// What one file does to the tables `t0` to `t2`, which the first file makes.
#[derive(Debug, Clone)]
enum Work {
    Insert(usize, u8),
    Add(usize, u8),
    Column(usize),
    Index(usize),
    Table,
}

fn works() -> impl Strategy<Value = Vec<Vec<Work>>> {
    let work = prop_oneof![
        (0_usize..3, 0_u8..9).prop_map(|(table, value)| Work::Insert(table, value)),
        (0_usize..3, 1_u8..9).prop_map(|(table, value)| Work::Add(table, value)),
        (0_usize..3).prop_map(Work::Column),
        (0_usize..3).prop_map(Work::Index),
        proptest::strategy::Just(Work::Table),
    ];
    proptest::collection::vec(proptest::collection::vec(work, 1..4), 2..6)
}

/// The files of a list of works. Names count on, so that every statement is good once and bad twice.
fn files(works: &[Vec<Work>], engine: Engine) -> Vec<(String, String)> {
    let first = (0..3).map(|table| format!("CREATE TABLE t{table} (n INTEGER);\n")).collect();
    let mut files = vec![("db/shop/1##ddl##tables.sql".to_owned(), first)];
    let mut name = 0;
    for (number, works) in works.iter().enumerate() {
        let statement = |work: &Work| {
            name += 1;
            match work {
                Work::Insert(table, value) => format!("INSERT INTO t{table} (n) VALUES ({value});\n"),
                Work::Add(table, value) => format!("UPDATE t{table} SET n = n * 2 + {value};\n"),
                Work::Column(table) => format!("ALTER TABLE t{table} ADD COLUMN c{name} INTEGER DEFAULT {name};\n"),
                Work::Index(table) if engine == Engine::Postgres => {
                    format!("CREATE INDEX CONCURRENTLY i{name} ON t{table} (n);\n")
                }
                Work::Index(table) => format!("CREATE INDEX i{name} ON t{table} (n);\n"),
                Work::Table => format!("CREATE TABLE u{name} (n INTEGER);\n"),
            }
        };
        let text: String = works.iter().map(statement).collect();
        files.push((format!("db/shop/{}##ddl##work.sql", number + 2), text));
    }
    files
}

/// Tables, columns, indexes and rows.
fn state(database: &Database, world: &World) -> String {
    let names = match database.engine {
        Engine::Postgres => {
            "SELECT c.relname, a.attname FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1, a.attnum"
        }
        Engine::Mariadb | Engine::Mysql => {
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = database() AND table_name NOT LIKE 'schemagate%' UNION ALL SELECT table_name, index_name FROM information_schema.statistics WHERE table_schema = database() AND table_name NOT LIKE 'schemagate%' ORDER BY 1, 2"
        }
        Engine::Sqlite => {
            "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'schemagate%' AND name NOT LIKE 'sqlite%' ORDER BY 1"
        }
    };
    let history = format!(
        "SELECT version, state, statements_done, statement_open FROM {} ORDER BY version",
        database.history("migration")
    );
    let rows = (0..3).map(|table| format!("SELECT n FROM t{table} ORDER BY 1"));
    let questions = [names.to_owned(), history].into_iter().chain(rows);
    questions.map(|question| database.ask(world, &question)).collect::<Vec<_>>().join("\n--\n")
}

fn world_of(database: &Database) -> World {
    let manifest = format!("{}[project.rules]\ntype-mismatch = \"off\"\n", database.manifest());
    let world = World::new(&manifest, &database.server_file());
    world.commit("manifest");
    world.push().ok();
    world
}

/// Pushes the files in parts that end at these places.
fn in_pushes(files: &[(String, String)], ends: &[usize], engine: Engine) -> String {
    let database = engine.database();
    let world = world_of(&database);
    let mut from = 0;
    for end in ends.iter().copied().chain([files.len()]) {
        for (path, text) in &files[from..end] {
            world.file(path, text);
        }
        world.send("part").says(&["applied now"]).ok();
        from = end;
    }
    state(&database, &world)
}

/// Applies all files with a kill at a message, and again.
fn with_a_kill(files: &[(String, String)], at: usize, engine: Engine) -> String {
    let database = engine.database();
    let world = world_of(&database);
    world.apply_nothing();
    for (path, text) in files {
        world.file(path, text);
    }
    world.send("all").ok();
    let mut command = world.command(PROGRAM, &world.server());
    command.arg("apply").stdout(Stdio::null()).stderr(Stdio::null());
    if engine == Engine::Sqlite {
        // No messages there: it is killed after so many tenths of a millisecond.
        let mut child = command.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(at as u64 * 100));
        child.kill().unwrap();
        child.wait().unwrap();
    } else {
        let (server, socket) = (engine.server(), engine.socket());
        let proxy = Proxy::start(&world.path().join(socket), &server.folder.join(socket));
        let (home, through) = (server.folder.display().to_string(), world.path().display().to_string());
        world.write_server_file(&database.server_file().replace(&home, &through));
        proxy.plan(Harm::Kill, at);
        let child = command.spawn().unwrap();
        proxy.victim(child.id());
        child.wait_with_output().unwrap();
        proxy.plan(Harm::None, 0);
        world.write_server_file(&database.server_file());
    }
    world.on_server(&["apply"]).ok();
    state(&database, &world)
}

#[test]
fn one_push_is_two_pushes_is_one_that_was_killed() {
    std::thread::scope(|scope| {
        for engine in Engine::all() {
            scope.spawn(move || {
                let mut runner = TestRunner::new(Config { cases: 20, failure_persistence: None, ..Config::default() });
                let input = (works(), 1_usize..6, 3_usize..120);
                let ran = runner.run(&input, |(works, end, kill)| {
                    let files = files(&works, engine);
                    let whole = in_pushes(&files, &[], engine);
                    prop_assert_eq!(&whole, &in_pushes(&files, &[end.min(files.len() - 1)], engine));
                    prop_assert_eq!(&whole, &with_a_kill(&files, kill, engine));
                    Ok(())
                });
                ran.unwrap_or_else(|error| panic!("{engine:?}: {error}"));
            });
        }
    });
}
