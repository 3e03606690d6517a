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
    /// The server is told to stop at once, a moment behind the message: in the middle of a statement.
    Stop,
    /// The file system of the server is filled up; all goes on.
    Fill,
}

/// What is done to a server.
type Act = Arc<dyn Fn() + Send + Sync>;

/// A proxy; it ends with the test's process.
#[derive(Clone)]
pub(crate) struct Proxy {
    state: Arc<Mutex<State>>,
    victim: Arc<AtomicI32>,
    act: Arc<Mutex<Option<Act>>>,
}

struct State {
    harm: Harm,
    at: usize,
    passed: usize,
    /// What was asked last, in which mode, and where the harm was done.
    request: String,
    /// Whether a part of the answer has passed.
    answered: bool,
    mode: &'static str,
    point: Option<String>,
}

impl State {
    fn new(harm: Harm, at: usize) -> Self {
        Self { harm, at, passed: 0, request: String::new(), answered: false, mode: "", point: None }
    }
}

impl Proxy {
    /// Listens on one socket and passes everything on to another.
    pub(crate) fn start(listen: &Path, to: &Path) -> Self {
        let state = Arc::new(Mutex::new(State::new(Harm::None, 0)));
        let proxy = Self { state, victim: Arc::new(AtomicI32::new(0)), act: Arc::new(Mutex::new(None)) };
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
        *self.state.lock().unwrap() = State::new(harm, at);
        self.victim.store(0, Ordering::SeqCst);
    }

    /// Says what is done to the server.
    pub(crate) fn acts(&self, act: impl Fn() + Send + Sync + 'static) {
        *self.act.lock().unwrap() = Some(Arc::new(act));
    }

    /// Names the process of the program, which is to be killed.
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
            if size == 0
                || self.message(request, &buffer[..size], &mut into)
                || into.write_all(&buffer[..size]).is_err()
            {
                let _ = from.shutdown(Shutdown::Both);
                let _ = into.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// Counts a message; says whether the connection ends before it.
    fn message(&self, request: bool, bytes: &[u8], into: &mut UnixStream) -> bool {
        let mut state = self.state.lock().unwrap();
        // An answer may come in parts, now so and now so: the parts behind the first do not count.
        if request {
            state.answered = false;
            state.request = String::from_utf8_lossy(bytes).into_owned();
            state.mode = mode(&state.request).unwrap_or(state.mode);
        } else if std::mem::replace(&mut state.answered, true) {
            return false;
        }
        state.passed += 1;
        if state.harm == Harm::None || state.passed != state.at {
            return false;
        }
        state.point = Some(format!("{}{}", state.mode, point(request, &state.request)));
        match state.harm {
            Harm::None | Harm::Freeze => return false,
            Harm::Cut => {}
            Harm::Kill => self.kill(),
            Harm::Crash => self.act(),
            Harm::Stop => {
                // Nothing else passes while the state is locked, so no answer either.
                let _ = into.write_all(bytes);
                std::thread::sleep(Duration::from_millis(if request { 20 } else { 0 }));
                self.act();
            }
            Harm::Fill => {
                self.act();
                return false;
            }
        }
        true
    }

    fn act(&self) {
        let act = self.act.lock().unwrap().clone();
        act.expect("what is done to the server")();
    }

    fn kill(&self) {
        while self.victim.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let process = self.victim.load(Ordering::SeqCst);
        let killed = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap();
        assert!(killed.success());
    }
}

/// Says in which mode a message stands, if it tells: the journals of the tests work on tables that are called so, and
/// only they record progress.
fn mode(asked: &str) -> Option<&'static str> {
    let journal = ["journal", "statements_done ="].iter().any(|word| asked.contains(word));
    let transaction = ["'transaction'", "BEGIN", "START TRANSACTION", " a ", " b "];
    if asked.contains("schemagate_meta") {
        Some("")
    } else if journal {
        Some("journal: ")
    } else if transaction.iter().any(|word| asked.contains(word)) {
        Some("transaction: ")
    } else {
        None
    }
}

/// Says in what moment of a migration a message stands.
fn point(request: bool, asked: &str) -> String {
    let has = |words: &[&str]| words.iter().any(|word| asked.contains(word));
    let begins = has(&["BEGIN;", "START TRANSACTION"]);
    let ours = has(&["schemagate_migration"]);
    let script = has(&["CREATE", "INSERT", "UPDATE", "ALTER", "DROP", "RENAME"]);
    let place = match (begins, ours) {
        _ if has(&["schemagate_meta", "SELECT seq"]) => ["before the intent"; 2],
        (_, false) if has(&["COMMIT"]) => ["in COMMIT", "after COMMIT, before its answer"],
        (_, false) if has(&["schemagate", "pg_", "SELECT"]) && !has(&["FROM pg_sleep"]) => ["before the intent"; 2],
        (true, true) => ["before the intent", "after the intent, before its answer"],
        (true, false) => ["before statement k"; 2],
        (false, true) => ["after statement k, before its record", "in the record of statement k"],
        (false, false) if script => ["before statement k", "in statement k, before its answer"],
        (false, false) => ["before the intent"; 2],
    };
    place[usize::from(!request)].to_owned()
}
