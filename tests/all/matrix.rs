//! Harm at every moment of a run: whatever stops it, wherever, the next run brings the database to the same state, and
//! nothing that was said was untrue. What was done is written to `docs/faults.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;

use crate::databases::{Database, Engine};
use crate::matrix_cases::{Manner, assert_made_good, before, state, use_database};
use crate::outages::{database, empty, fill, start, wait_until_it_answers};
use crate::proxy::{Harm, Proxy};
use crate::servers::{Room, Server, may_mount};
use crate::support::{Done, PROGRAM, World};

/// How often harm was done in each moment.
type Moments = BTreeMap<String, usize>;

/// A server that is harmed, and what stands before it.
struct Bench {
    engine: Engine,
    manner: Manner,
    /// A server of its own where it is the server that is harmed.
    own: Option<Server>,
    world: World,
    proxy: Proxy,
    expected: String,
}

impl Bench {
    fn new(engine: Engine, manner: Manner, own: Option<Server>) -> Self {
        let world = manner.world(engine);
        let folder = own.as_ref().map_or(&engine.server().folder, |server| &server.folder);
        let proxy = Proxy::start(&world.path().join(engine.socket()), &folder.join(engine.socket()));
        let mut bench = Self { engine, manner, own, world, proxy, expected: String::new() };
        let reference = bench.databases("reference");
        use_database(&bench.world, &manner.server_file(&reference));
        bench.world.on_server(&["apply"]).ok();
        bench.expected = state(&reference[0], &bench.world);
        bench
    }

    fn databases(&self, name: &str) -> Vec<Database> {
        let one = |number: usize| match &self.own {
            Some(server) => database(self.engine, server, format!("{name}_{number}")),
            None => self.engine.database(),
        };
        let all: Vec<Database> = (0..self.manner.databases()).map(one).collect();
        all.iter().for_each(|database| drop(database.ask(&self.world, before(self.engine, self.manner))));
        all
    }

    /// Does harm at a message of a run on a new database, heals it, and runs again; returns the moment of the harm.
    fn run(&self, harm: Harm, at: usize, heal: impl FnOnce(&Database)) -> Option<String> {
        let (world, proxy) = (&self.world, &self.proxy);
        let databases = self.databases(&format!("{harm:?}_{at}").to_lowercase());
        let home = self.own.as_ref().map_or(&self.engine.server().folder, |server| &server.folder);
        let through = world.path().display().to_string();
        use_database(world, &self.manner.server_file(&databases).replace(&home.display().to_string(), &through));
        proxy.plan(harm, at);
        let child = world.begin_apply();
        proxy.victim(child.id());
        let done = Done::of(&child.wait_with_output().unwrap());
        let point = proxy.point();
        proxy.plan(Harm::None, 0);
        if point.is_some() {
            heal(&databases[0]);
        }
        let when = format!("{harm:?} at message {at}, {}", point.as_deref().unwrap_or("none"));
        assert_made_good(&done, &databases, self.manner, world, &self.expected, &when);
        databases.into_iter().for_each(|database| database.remove(world));
        point
    }

    /// Does harm at every message, one after the other, of tenants at some; returns the moments in order.
    fn at_every_message(&self, harm: Harm) -> Vec<String> {
        let messages = (1..).step_by(self.manner.step());
        let points: Vec<String> = messages.map_while(|at| self.run(harm, at, |_| {})).collect();
        assert!(points.len() > 20, "only {} messages", points.len());
        points
    }

    /// Does harm to the server in every moment, at a few of the messages that stand in it. A run takes a message less or
    /// more, as it has to wait for something or not, so the last ones may not be reached.
    fn at_moments(&self, harm: Harm, known: &[String]) -> Moments {
        let mut numbers: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
        for (at, point) in known.iter().enumerate() {
            numbers.entry(point).or_default().push(at + 1);
        }
        let server = self.own.as_ref().expect("a server to harm");
        let (engine, place) = (self.engine, server.place.clone());
        let left = left_by_the_disk(engine);
        let harmed = place.clone();
        self.proxy.acts(move || match harm {
            Harm::Fill => fill(&harmed.room(), left),
            _ => end(engine, harm == Harm::Stop, harmed.process()),
        });
        let (mut moments, mut missed) = (Moments::new(), 0);
        for numbers in numbers.values() {
            for at in numbers.iter().step_by(self.manner.step_of_servers(numbers.len())) {
                let point = self.run(harm, *at, |database| {
                    if harm == Harm::Fill {
                        empty(&place);
                    }
                    wait_until_it_answers(database);
                });
                match point {
                    Some(point) => *moments.entry(point).or_default() += 1,
                    None => missed += 1,
                }
            }
        }
        assert!(missed * 10 <= moments.values().sum::<usize>(), "{missed} messages were not reached, {harm:?}");
        moments
    }
}

/// How many KiB a full disk still has. A MariaDB that cannot write a page of its catalogue waits for room, for minutes, and
/// says so only in its log; what it cannot do with so little is to make a table or to let one grow.
fn left_by_the_disk(engine: Engine) -> u64 {
    if engine == Engine::Postgres { 0 } else { 60 }
}

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
fn harmed(engine: Engine, manner: Manner) -> Vec<(&'static str, Moments)> {
    let usual = Bench::new(engine, manner, None);
    let cut = usual.at_every_message(Harm::Cut);
    if !manner.harms_servers() {
        let killed = counted(&usual.at_every_message(Harm::Kill));
        return vec![("connection cut", counted(&cut)), ("SIGKILL of the program", killed)];
    }
    let own = |room| Bench::new(engine, manner, Some(start(engine, room)));
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
fn with_operations(world: &World, databases: &[Database], manner: Manner, harm: &str, at: usize) -> (Done, String) {
    use_database(world, &manner.server_file(databases));
    databases.iter().for_each(|database| drop(database.ask(world, before(Engine::Sqlite, manner))));
    let (library, heard) = (world.path().join("operations.so"), world.path().join("heard"));
    let _ = std::fs::remove_file(&heard);
    let mut command = world.command(PROGRAM, &world.server());
    command.arg("apply").env("LD_PRELOAD", &library).env("OPERATION_POINT", &heard);
    command.env("OPERATION_AT", at.to_string()).env("OPERATION_HARM", harm);
    (Done::of(&command.output().unwrap()), std::fs::read_to_string(&heard).unwrap())
}

/// Does harm at every operation of SQLite on its files, one after the other, each time on a new database.
fn harmed_files(harm: &str, manner: Manner) -> Moments {
    let engine = Engine::Sqlite;
    let world = manner.world(engine);
    let fresh = || -> Vec<Database> { (0..manner.databases()).map(|_| engine.database()).collect() };
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/operations.c");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(world.path().join("operations.so"));
    assert!(compile.args([source, "-ldl"]).status().unwrap().success());
    let reference = fresh();
    let (done, heard) = with_operations(&world, &reference, manner, "none", 0);
    done.ok();
    let expected = state(&reference[0], &world);
    let operations: Vec<&str> = heard.lines().collect();
    assert!(operations.len() > 30, "{heard}");
    let mut moments = Moments::new();
    for number in (0..operations.len()).step_by(manner.step()) {
        let databases = fresh();
        let (done, point) = with_operations(&world, &databases, manner, harm, number + 1);
        let when = format!("{harm} at operation {}, {point}", number + 1);
        assert!(!done.text.contains("is at work on this database"), "it waited for itself, {when}:\n{}", done.text);
        assert_made_good(&done, &databases, manner, &world, &expected, &when);
        *moments.entry(point.trim().to_owned()).or_default() += 1;
    }
    moments
}

fn written(engine: Engine, manner: Manner, columns: &[(&str, Moments)]) {
    let title = format!("{}{}", engine.flavour().title(), manner.title());
    let table = table(&title, columns);
    println!("{table}");
    crate::support::write_docs("faults.md", &title, &table);
}

/// All harm to each of these.
fn harm_in(engines: &[Engine], manner: Manner) {
    engines.iter().for_each(|engine| written(*engine, manner, &harmed(*engine, manner)));
}

/// All harm to every engine, side by side.
fn harm_everywhere(manner: Manner) {
    std::thread::scope(|scope| {
        for engine in Engine::servers() {
            scope.spawn(move || harm_in(&[engine], manner));
        }
        harm_to_files(manner);
    });
}

fn harm_to_files(manner: Manner) {
    let columns = std::thread::scope(|scope| {
        let killed = scope.spawn(|| harmed_files("kill", manner));
        let full = harmed_files("full", manner);
        [("SIGKILL of the program", killed.join().unwrap()), ("disk full", full)]
    });
    written(Engine::Sqlite, manner, &columns);
}

#[test]
fn harm_at_any_moment_of_postgresql_loses_nothing_and_runs_nothing_twice() {
    harm_in(&[Engine::Postgres], Manner::File);
}

#[test]
fn harm_at_any_moment_of_mariadb_or_mysql_loses_nothing_and_runs_nothing_twice() {
    harm_in(&Engine::mysqls(), Manner::File);
}

#[test]
fn harm_at_any_operation_of_sqlite_loses_nothing_and_runs_nothing_twice() {
    harm_to_files(Manner::File);
}

#[test]
fn harm_at_any_moment_of_a_push_in_one_transaction_takes_back_all_of_it_or_nothing() {
    harm_everywhere(Manner::Push);
}

#[test]
fn harm_at_any_moment_of_a_rollout_to_tenants_leaves_each_in_a_known_state() {
    harm_everywhere(Manner::Tenants);
}
