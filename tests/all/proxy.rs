//! Stands between the program and a database, counts what passes, and does harm at a chosen message.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is done at the chosen message, before it is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Nothing, ever.
    None,
    /// Both sides of the connection are closed.
    Cut,
    /// From then on nothing passes, and nobody is told.
    Freeze,
    /// The program gets SIGKILL.
    Kill,
    /// A process of the server gets SIGKILL, so that the server ends all others and recovers.
    Crash,
}

/// A proxy; it ends with the test's process.
#[derive(Clone)]
pub(crate) struct Proxy {
    state: Arc<Mutex<State>>,
    victim: Arc<AtomicI32>,
}

struct State {
    harm: Harm,
    at: usize,
    passed: usize,
    /// What was asked last, and where the harm was done.
    request: String,
    point: Option<String>,
}

impl Proxy {
    /// Listens on one socket and passes everything on to another.
    pub(crate) fn start(listen: &Path, to: &Path) -> Self {
        let state = State { harm: Harm::None, at: 0, passed: 0, request: String::new(), point: None };
        let proxy = Self { state: Arc::new(Mutex::new(state)), victim: Arc::new(AtomicI32::new(0)) };
        let listener = UnixListener::bind(listen).unwrap();
        let (inner, to) = (proxy.clone(), to.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let Ok(server) = UnixStream::connect(&to) else { continue };
                for (request, from, into) in [(true, &client, &server), (false, &server, &client)] {
                    let (proxy, from, into) = (inner.clone(), from.try_clone().unwrap(), into.try_clone().unwrap());
                    std::thread::spawn(move || proxy.pump(request, from, into));
                }
            }
        });
        proxy
    }

    /// Plans harm at a message, counted from 1 in both directions together.
    pub(crate) fn plan(&self, harm: Harm, at: usize) {
        *self.state.lock().unwrap() = State { harm, at, passed: 0, request: String::new(), point: None };
        if harm != Harm::Crash {
            self.victim.store(0, Ordering::SeqCst);
        }
    }

    /// Names the process that is to be killed: the program, or the first process of the server.
    pub(crate) fn victim(&self, process: u32) {
        self.victim.store(i32::try_from(process).unwrap(), Ordering::SeqCst);
    }

    /// Where harm was done, if it was.
    pub(crate) fn point(&self) -> Option<String> {
        self.state.lock().unwrap().point.clone()
    }

    fn frozen(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.harm == Harm::Freeze && state.passed >= state.at
    }

    fn pump(&self, request: bool, mut from: UnixStream, mut into: UnixStream) {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let size = from.read(&mut buffer).unwrap_or(0);
            while self.frozen() {
                std::thread::sleep(Duration::from_millis(50));
            }
            if size == 0 || self.message(request, &buffer[..size]) || into.write_all(&buffer[..size]).is_err() {
                let _ = from.shutdown(Shutdown::Both);
                let _ = into.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// Counts a message; says whether the connection ends before it.
    fn message(&self, request: bool, bytes: &[u8]) -> bool {
        let mut state = self.state.lock().unwrap();
        state.passed += 1;
        if request {
            state.request = String::from_utf8_lossy(bytes).into_owned();
        }
        if state.harm == Harm::None || state.passed != state.at {
            return false;
        }
        state.point = Some(point(request, &state.request));
        if state.harm == Harm::Freeze {
            return false;
        }
        if state.harm == Harm::Crash {
            let first = self.victim.load(Ordering::SeqCst).to_string();
            // Of PostgreSQL one of its processes; the first one ends all others and recovers.
            let mut kill = std::process::Command::new("pkill");
            let children = kill.args(["-KILL", "-P", &first, "-f", r"\[local\]"]).status().unwrap();
            if !children.success() {
                std::process::Command::new("kill").args(["-KILL", &first]).status().unwrap();
            }
        }
        if state.harm == Harm::Kill {
            while self.victim.load(Ordering::SeqCst) == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            let process = self.victim.load(Ordering::SeqCst);
            let killed = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap();
            assert!(killed.success());
        }
        true
    }
}

/// Says in what moment of a migration a message stands.
fn point(request: bool, asked: &str) -> String {
    let begins = asked.contains("BEGIN;") || asked.contains("START TRANSACTION");
    let ours = asked.contains("schemagate_migration");
    let place = match (begins, ours) {
        _ if asked.contains("schemagate_meta") => ["before the intent"; 2],
        (_, false) if asked.contains("COMMIT") => ["in COMMIT", "after COMMIT, before its answer"],
        (_, false) if asked.contains("schemagate") || asked.contains("pg_") || asked.contains("SELECT") => {
            ["before the intent"; 2]
        }
        (true, _) => ["before the intent", "after the intent, before its answer"],
        (false, true) => ["after statement k, before its record", "in the record of statement k"],
        (false, false) if asked.contains("CREATE") || asked.contains("INSERT") || asked.contains("UPDATE") => {
            ["before statement k", "in statement k, before its answer"]
        }
        (false, false) if asked.contains("ALTER") || asked.contains("DROP") => {
            ["before statement k", "in statement k, before its answer"]
        }
        (false, false) => ["before the intent"; 2],
    };
    place[usize::from(!request)].to_owned()
}
