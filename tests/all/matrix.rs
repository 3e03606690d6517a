//! Harm at every moment of a run: whatever stops it, wherever, the next run brings the database to the same state, and
//! nothing that was said was untrue. What was done is written to `docs/faults.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::databases::{Database, Engine};
use crate::outages::{database, fill, start, wait_until_it_answers};
use crate::proxy::{Harm, Proxy};
use crate::servers::{Room, Server, may_mount};
use crate::support::{Done, PROGRAM, World, flat};

/// Files that show what ran twice: sums that a second run would change. What runs as a journal works on a table that is
/// called so; one change takes a moment.
fn files(engine: Engine) -> Vec<(&'static str, String)> {
    let journal = match engine {
        Engine::Postgres => {
            "CREATE TABLE journal (id INTEGER);\nCREATE INDEX CONCURRENTLY journal_one ON journal (id);\n\
             INSERT INTO journal VALUES (1);\nDROP INDEX CONCURRENTLY journal_one;\n\
             CREATE INDEX CONCURRENTLY journal_two ON journal (id);\nUPDATE journal SET id = id + 1;\n"
        }
        Engine::Sqlite => {
            "CREATE TABLE journal (id INTEGER);\nINSERT INTO journal VALUES (1);\nVACUUM;\n\
             ALTER TABLE journal ADD COLUMN n INTEGER;\nUPDATE journal SET id = id + 1;\nVACUUM;\n"
        }
        _ => {
            "CREATE TABLE journal (id INTEGER);\nINSERT INTO journal VALUES (1);\nINSERT INTO journal VALUES (2);\n\
             ALTER TABLE journal ADD COLUMN n INTEGER;\nUPDATE journal SET id = id + 1;\n\
             CREATE INDEX journal_two ON journal (id);\nALTER TABLE journal DROP COLUMN n;\n\
             RENAME TABLE journal TO journals;\nRENAME TABLE journals TO journal;\n"
        }
    };
    let slow = match engine {
        Engine::Postgres => "UPDATE a SET n = n + 10 FROM pg_sleep(0.05);",
        Engine::Sqlite => "UPDATE a SET n = n + 10;",
        _ => "UPDATE a SET n = n + 10 WHERE sleep(0.05) = 0;",
    };
    vec![
        (
            "db/shop/1##ddl##tables.sql",
            "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER);\nCREATE TABLE b (id INTEGER);\n".to_owned(),
        ),
        (
            "db/shop/1##dml##rows.sql",
            "INSERT INTO a VALUES (1, 0);\nINSERT INTO b VALUES (7);\nUPDATE a SET n = n + 1;\n".to_owned(),
        ),
        ("db/shop/2##ddl##mixed.sql", journal.to_owned()),
        ("db/shop/3##dml##more.sql", format!("{slow}\nINSERT INTO b VALUES (8);\n")),
    ]
}

/// The question for the number of tables that are not ours.
fn tables(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'",
        Engine::Sqlite => {
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'schemagate%' AND name NOT LIKE 'sqlite%'"
        }
        _ => {
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND table_name NOT LIKE 'schemagate%'"
        }
    }
}

/// Everything that the database holds, but for times and attempts.
pub(crate) fn state(database: &Database, world: &World) -> String {
    let of = match database.engine {
        Engine::Postgres => "table_schema = 'public'",
        _ => "table_schema = database() AND table_name NOT LIKE 'schemagate%'",
    };
    let columns = format!("SELECT table_name, column_name FROM information_schema.columns WHERE {of} ORDER BY 1, 2");
    let indexes = match database.engine {
        Engine::Postgres => {
            "SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indexrelid >= 16384 AND indexrelid::regclass::text NOT LIKE 'schemagate%' AND indexrelid::regclass::text NOT LIKE 'pg_toast%' ORDER BY 1::text"
        }
        _ => {
            "SELECT table_name, index_name FROM information_schema.statistics WHERE table_schema = database() AND table_name NOT LIKE 'schemagate%' ORDER BY 1, 2"
        }
    };
    let history = format!(
        "SELECT version, kind, state, statements_done, statement_open FROM {} ORDER BY version, kind",
        database.history("migration")
    );
    let mut questions = vec![columns.as_str(), indexes];
    if database.engine == Engine::Sqlite {
        questions = vec!["SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY 1"];
    }
    questions.extend([
        "SELECT id, n FROM a",
        "SELECT id FROM b ORDER BY id",
        "SELECT id FROM journal ORDER BY id",
        &history,
    ]);
    questions.into_iter().map(|question| database.ask(world, question)).collect::<Vec<_>>().join("\n--\n")
}

/// A world with all files pushed and nothing applied.
pub(crate) fn waiting_world(engine: Engine) -> World {
    let world = World::new(
        &format!("{}[project.rules]\ntype-mismatch = \"off\"\n", engine.database().manifest()),
        &engine.database().server_file(),
    );
    for (path, text) in files(engine) {
        world.file(path, &text);
    }
    world.apply_nothing();
    world.send("all").ok();
    world
}

pub(crate) fn use_database(world: &World, server_file: &str) {
    world.write_server_file(server_file);
    let _ = std::fs::remove_dir_all(world.server().join("schemagate"));
}

/// What was said to be applied is, and all of it if the run ended well; what was said to be taken back is.
fn assert_true(done: &Done, database: &Database, world: &World, when: &str) {
    let text = flat(&done.text);
    let states = |more: &str| format!("SELECT count(*) FROM {} WHERE {more}", database.history("migration"));
    for (version, kind) in [("1", "ddl"), ("1", "dml"), ("2", "ddl"), ("3", "dml")] {
        if text.contains(&format!("applied {version} {kind}")) {
            let sql = states(&format!("version = '{version}' AND kind = '{kind}' AND state = 'applied'"));
            assert_eq!(database.ask(world, &sql), "1", "{when}:\n{}", done.text);
        }
    }
    if done.code == 0 {
        assert_eq!(database.ask(world, &states("state = 'applied'")), "4", "{when}:\n{}", done.text);
    }
    let first = text.contains("failed 1 ddl") && text.contains("nothing of this file stays");
    if first || text.contains("UNREACHABLE: nothing ran") {
        assert_eq!(database.ask(world, tables(database.engine)), "0", "{when}:\n{}", done.text);
    }
}

/// What was said is so, and the next run brings the database to the state that is expected.
fn assert_made_good(done: &Done, database: &Database, world: &World, expected: &str, when: &str) {
    assert_true(done, database, world, when);
    let again = world.on_server(&["apply"]);
    assert_eq!(again.code, 0, "{when}:\n{}\nthen:\n{}", done.text, again.text);
    assert_eq!(state(database, world), expected, "{when}:\n{}\nthen:\n{}", done.text, again.text);
}

/// How often harm was done in each moment.
type Moments = BTreeMap<String, usize>;

/// A server that is harmed, and what stands before it.
struct Bench {
    engine: Engine,
    /// A server of its own where it is the server that is harmed.
    own: Option<Server>,
    world: World,
    proxy: Proxy,
    expected: String,
}

impl Bench {
    fn new(engine: Engine, own: Option<Server>) -> Self {
        let world = waiting_world(engine);
        let folder = own.as_ref().map_or(&engine.server().folder, |server| &server.folder);
        let proxy = Proxy::start(&world.path().join(engine.socket()), &folder.join(engine.socket()));
        let mut bench = Self { engine, own, world, proxy, expected: String::new() };
        let reference = bench.database("reference");
        use_database(&bench.world, &reference.server_file());
        bench.world.on_server(&["apply"]).ok();
        bench.expected = state(&reference, &bench.world);
        bench
    }

    fn database(&self, name: &str) -> Database {
        match &self.own {
            Some(server) => database(self.engine, server, name.to_owned()),
            None => self.engine.database(),
        }
    }

    /// Does harm at a message of a run on a new database, heals it, and runs again; returns the moment of the harm.
    fn run(&self, harm: Harm, at: usize, heal: impl FnOnce(&Database)) -> Option<String> {
        let (world, proxy) = (&self.world, &self.proxy);
        let database = self.database(&format!("{harm:?}_{at}").to_lowercase());
        let home = self.own.as_ref().map_or(&self.engine.server().folder, |server| &server.folder);
        let through = world.path().display().to_string();
        use_database(world, &database.server_file().replace(&home.display().to_string(), &through));
        proxy.plan(harm, at);
        let child = world.begin_apply();
        proxy.victim(child.id());
        let done = Done::of(&child.wait_with_output().unwrap());
        let point = proxy.point();
        proxy.plan(Harm::None, 0);
        heal(&database);
        let when = format!("{harm:?} at message {at}, {}", point.as_deref().unwrap_or("none"));
        assert_made_good(&done, &database, world, &self.expected, &when);
        database.remove(world);
        point
    }

    /// Does harm at every message, one after the other; returns the moments in order.
    fn at_every_message(&self, harm: Harm) -> Vec<String> {
        let points: Vec<String> = (1..).map_while(|at| self.run(harm, at, |_| {})).collect();
        assert!(points.len() > 20, "only {} messages", points.len());
        points
    }

    /// Does harm to the server in every moment, at a few of the messages that stand in it.
    fn at_moments(&self, harm: Harm, known: &[String]) -> Moments {
        let mut numbers: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
        for (at, point) in known.iter().enumerate() {
            numbers.entry(point).or_default().push(at + 1);
        }
        let server = self.own.as_ref().expect("a server to harm");
        let (engine, at) = (self.engine, server.place.clone());
        let ballast = Arc::new(Mutex::new(None));
        let held = ballast.clone();
        let left = left_by_the_disk(engine);
        self.proxy.acts(move || match harm {
            Harm::Fill => *held.lock().unwrap() = Some(fill(&at.room(), left)),
            _ => end(engine, harm == Harm::Stop, at.process()),
        });
        let mut moments = Moments::new();
        for numbers in numbers.values() {
            let step = numbers.len().div_ceil(EACH);
            for at in numbers.iter().step_by(step) {
                let point = self.run(harm, *at, |database| {
                    if let Some(ballast) = ballast.lock().unwrap().take() {
                        std::fs::remove_file::<std::path::PathBuf>(ballast).unwrap();
                    }
                    wait_until_it_answers(database);
                });
                *moments.entry(point.expect("a message")).or_default() += 1;
            }
        }
        moments
    }
}

/// How many KiB a full disk still has. A MariaDB that cannot write a page of its catalogue waits for room, for minutes, and
/// says so only in its log; what it cannot do with so little is to make a table or to let one grow.
fn left_by_the_disk(engine: Engine) -> u64 {
    if engine == Engine::Postgres { 0 } else { 60 }
}

/// At how many messages of each moment a server is harmed: it must start again each time.
const EACH: usize = 3;

/// Ends a server by a signal: told to stop at once, or SIGKILL. Of PostgreSQL one process is killed, and the first one
/// ends all others and recovers.
fn end(engine: Engine, stop: bool, first: u32) {
    let first = first.to_string();
    let signal = match (engine, stop) {
        (_, false) => "-KILL",
        (Engine::Postgres, true) => "-INT",
        (_, true) => "-TERM",
    };
    if !stop && engine == Engine::Postgres {
        let mut kill = Command::new("pkill");
        if kill.args([signal, "-P", &first, "-f", r"\[local\]"]).status().unwrap().success() {
            return;
        }
    }
    Command::new("kill").args([signal, &first]).status().unwrap();
}

fn counted(points: &[String]) -> Moments {
    let mut moments = Moments::new();
    for point in points {
        *moments.entry(point.clone()).or_default() += 1;
    }
    moments
}

/// All harm to one server and to what talks to it; the columns of its table.
fn harmed(engine: Engine) -> Vec<(&'static str, Moments)> {
    let usual = Bench::new(engine, None);
    let cut = usual.at_every_message(Harm::Cut);
    let own = |room| Bench::new(engine, Some(start(engine, room)));
    std::thread::scope(|scope| {
        let killed = scope.spawn(|| counted(&usual.at_every_message(Harm::Kill)));
        let server = scope.spawn(|| {
            let bench = own(Room::Restarts);
            let crash = bench.at_moments(Harm::Crash, &cut);
            (crash, bench.at_moments(Harm::Stop, &cut))
        });
        let full = scope
            .spawn(|| if may_mount() { own(Room::Small(300)).at_moments(Harm::Fill, &cut) } else { Moments::new() });
        let killed = killed.join().unwrap();
        let (crash, stop) = server.join().unwrap();
        vec![
            ("connection cut", counted(&cut)),
            ("SIGKILL of the program", killed),
            ("SIGKILL of the server", crash),
            ("server stopped", stop),
            ("disk full", full.join().unwrap()),
        ]
    })
}

/// A table of what was done; in each cell all was well, or the test had failed.
fn table(title: &str, columns: &[(&str, Moments)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut table = format!("| {title} | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(columns.len()));
    let points: BTreeSet<&String> = columns.iter().flat_map(|(_, points)| points.keys()).collect();
    for point in points {
        let cell = |points: &Moments| points.get(point).map_or_else(|| "-".to_owned(), |n| format!("{n} of {n}"));
        let cells: Vec<String> = columns.iter().map(|(_, points)| cell(points)).collect();
        let _ = writeln!(table, "| {point} | {} |", cells.join(" | "));
    }
    table
}

/// Runs `apply` on a new SQLite database with an ear on what is done to its files; what was heard stands in a file.
fn with_operations(world: &World, database: &Database, harm: &str, at: usize) -> (Done, String) {
    use_database(world, &database.server_file());
    let (library, heard) = (world.path().join("operations.so"), world.path().join("heard"));
    let _ = std::fs::remove_file(&heard);
    let mut command = world.command(PROGRAM, &world.server());
    command.arg("apply").env("LD_PRELOAD", &library).env("OPERATION_POINT", &heard);
    command.env("OPERATION_AT", at.to_string()).env("OPERATION_HARM", harm);
    (Done::of(&command.output().unwrap()), std::fs::read_to_string(&heard).unwrap())
}

/// Does harm at every operation of SQLite on its files, one after the other, each time on a new database.
fn harmed_files(harm: &str) -> Moments {
    let engine = Engine::Sqlite;
    let world = waiting_world(engine);
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/operations.c");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(world.path().join("operations.so"));
    assert!(compile.args([source, "-ldl"]).status().unwrap().success());
    let reference = engine.database();
    let (done, heard) = with_operations(&world, &reference, "none", 0);
    done.ok();
    let expected = state(&reference, &world);
    let operations: Vec<&str> = heard.lines().collect();
    assert!(operations.len() > 100, "{heard}");
    let mut moments = Moments::new();
    for number in 0..operations.len() {
        let database = engine.database();
        let (done, point) = with_operations(&world, &database, harm, number + 1);
        let when = format!("{harm} at operation {}, {point}", number + 1);
        assert!(!done.text.contains("is at work on this database"), "it waited for itself, {when}:\n{}", done.text);
        assert_made_good(&done, &database, &world, &expected, &when);
        *moments.entry(point.trim().to_owned()).or_default() += 1;
    }
    moments
}

fn written(title: &str, columns: &[(&str, Moments)]) {
    let table = table(title, columns);
    println!("{table}");
    crate::support::write_docs("faults.md", title, &table);
}

#[test]
fn harm_at_any_moment_of_postgresql_loses_nothing_and_runs_nothing_twice() {
    written("PostgreSQL", &harmed(Engine::Postgres));
}

#[test]
fn harm_at_any_moment_of_mariadb_or_mysql_loses_nothing_and_runs_nothing_twice() {
    for engine in Engine::mysqls() {
        written(engine.flavour().title(), &harmed(engine));
    }
}

#[test]
fn harm_at_any_operation_of_sqlite_loses_nothing_and_runs_nothing_twice() {
    let columns = std::thread::scope(|scope| {
        let killed = scope.spawn(|| harmed_files("kill"));
        let full = harmed_files("full");
        [("SIGKILL of the program", killed.join().unwrap()), ("disk full", full)]
    });
    written("SQLite", &columns);
}
