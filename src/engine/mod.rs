//! Databases: connecting, locking, history, running scripts.
//!
//! Async lives here and nowhere else. To add an engine: one file with a wire, one line in [`ENGINES`].
//! Refuses to decide what runs; that is `plan`.

mod aftermath;
mod apart;
mod chain;
mod concurrent;
mod detach;
mod handover;
pub mod identity;
mod journal;
pub mod lock;
pub mod mysql;
mod mysql_session;
mod notices;
mod patience;
mod pool;
pub mod postgres;
mod postgres_session;
mod probe;
mod quiet;
mod reading;
mod record;
mod remains;
pub(crate) mod remedy;
mod routines;
mod run;
pub mod sqlite;
mod sqlite_calls;
pub(crate) mod sqlite_file;
mod sqlite_keys;
mod statement;
pub mod tables;
mod tame;
mod together;
mod trace;
mod trace_alter;
mod unrecorded;
mod url_options;
pub mod verify;
mod watch;
mod ways;
mod wire;
mod words;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::config::Dialect;
use crate::config::flavour::{Flavour, Release};
use crate::history::{Content, Mode, Row, RowError, Said, State};
use crate::migration::{Checksums, Migration};

pub use self::statement::{ScriptStatement, Shares};

/// What a failed file needs.
pub const MEND: &str = "mend the file, commit and push it with --no-verify (the clone cannot know that it failed); or try \
                        again on the server: schemagate apply";

/// Why a database cannot be worked with. Messages never hold a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What went wrong.
    pub message: String,
    /// The remedy.
    pub help: String,
}

impl Trouble {
    /// Puts the two together.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// A migration, ready to run.
#[derive(Debug, Clone)]
pub struct Script {
    /// The migration.
    pub migration: Migration,
    /// Its statements with line and column of their beginning, from 1.
    pub statements: Vec<ScriptStatement>,
    /// How it is run.
    pub mode: Mode,
    /// Statements that an earlier attempt ran.
    pub done: usize,
    /// The row of an earlier attempt.
    pub earlier: Option<Box<Row>>,
    /// Whether a higher version has run already.
    pub out_of_order: bool,
    /// Checksums of the file.
    pub checksums: Checksums,
    /// How its text was read.
    pub flavour: Flavour,
    /// Under what terms it runs.
    pub terms: Terms,
    /// Findings that it suppresses, with the reasons.
    pub suppressed: String,
    /// The options by which commands name its target.
    pub target: Arc<str>,
}

impl Script {
    /// The event that records what it suppresses, if it does.
    fn spared(&self) -> Option<(&'static str, &str)> {
        (!self.suppressed.is_empty()).then_some(("suppressed", self.suppressed.as_str()))
    }

    /// Returns the line of the file at which an error points.
    pub fn line(&self, error: &RowError) -> Option<String> {
        let statement = self.statements.get(error.statement.checked_sub(1)?)?;
        let line = statement.text_of_line(error.line)?;
        Some(line.trim().chars().take(100).collect())
    }

    /// Returns the statements (from 0) that an earlier attempt began and whose end nobody recorded: one, or several whose
    /// transaction could not be taken back whole.
    fn in_flight(&self) -> Option<std::ops::Range<usize>> {
        let row = self.earlier.as_ref().filter(|row| row.statement_open > row.statements_done)?;
        (row.state != State::Applied).then_some(row.statements_done..row.statement_open)
    }

    /// Says whether an earlier run left a part of it behind.
    pub fn is_left_in_part(&self) -> bool {
        let part = |row: &Row| row.statements_done > 0 || row.statement_open > 0;
        self.mode == Mode::Journal && self.earlier.as_ref().is_some_and(|row| part(row))
    }

    /// Returns the number (from 1) of the statement at an index if it runs outside of transactions, else 0.
    fn alone_at(&self, index: usize) -> usize {
        if self.statements.get(index).is_some_and(|statement| statement.shares == Shares::Nothing) {
            index + 1
        } else {
            0
        }
    }

    /// Returns where the statements end that share a transaction with the one at an index.
    fn shared_to(&self, from: usize) -> usize {
        if self.statements.get(from).is_some_and(|statement| statement.shares == Shares::Record) {
            return from + 1;
        }
        self.statements[from..]
            .iter()
            .position(|statement| statement.shares != Shares::All)
            .map_or(self.statements.len(), |end| from + end)
    }

    /// Returns where the statements begin that share a transaction with the one at an index.
    fn shared_from(&self, index: usize) -> usize {
        let by_itself = |statement: &ScriptStatement| statement.shares != Shares::All;
        if self.statements.get(index).is_some_and(by_itself) {
            return index;
        }
        let before = &self.statements[self.done.min(index)..index];
        before.iter().rposition(by_itself).map_or(self.done.min(index), |at| self.done + at + 1)
    }
}

/// Under what terms a script runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// How long a statement waits for a lock; the server's own setting without it.
    pub lock_timeout: Option<Duration>,
    /// How long a statement may take; without end where there is none.
    pub statement_timeout: Option<Duration>,
    /// The isolation of its transaction, in the words of SQL.
    pub isolation: Option<String>,
    /// Whether references are enforced, where the file says so before anything else (SQLite).
    pub foreign_keys: Option<bool>,
    /// For how long it is tried again when somebody else is in the way.
    pub patience: Duration,
}

/// What people decided about a migration whose row does not say that it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Go on with this statement, from 1.
    From(usize),
    /// All of it ran.
    Applied,
    /// Nothing of it stays.
    NotApplied,
    /// It does not matter any more: this content never runs again.
    Forget,
    /// What is in the file now is what ran.
    Accept(Content),
}

/// Who runs it, for the history.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// The commit whose tree is applied.
    pub commit: String,
    /// Who pushed.
    pub pusher: String,
    /// Who says so.
    pub pusher_source: String,
    /// This machine.
    pub host: String,
    /// This process.
    pub process: u32,
}

/// How a run of scripts ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// All ran; durations in their order.
    Applied(Vec<Duration>),
    /// None ran: this one (from 0) cannot share a transaction with the others.
    Apart(usize),
    /// One failed.
    Failed {
        /// Which of the scripts.
        script: usize,
        /// What the database said.
        error: RowError,
        /// What the database is like now, a sentence.
        left: String,
        /// The remedy.
        help: String,
    },
}

/// One connection to one database.
pub trait Session {
    /// Reads the history; empty where there is none yet. Changes nothing.
    ///
    /// # Errors
    /// If it cannot be read or is of a newer format.
    fn history(&mut self) -> Result<Vec<Row>, Trouble>;

    /// Takes the lock under which scripts are run. `waiting` is told who holds it, once.
    ///
    /// # Errors
    /// If it is not had within `wait`.
    fn lock(&mut self, wait: Duration, waiting: &mut dyn FnMut(&str)) -> Result<(), Trouble>;

    /// Creates the history where it is missing.
    ///
    /// # Errors
    /// If it cannot be created or is of a newer format.
    fn prepare(&mut self) -> Result<(), Trouble>;

    /// Runs scripts: several only where all run in one transaction together.
    ///
    /// # Errors
    /// If the database went away in a way that leaves nothing to record.
    fn run(
        &mut self,
        scripts: &[Script],
        provenance: &Provenance,
        tell: &mut dyn FnMut(Said<'_>),
    ) -> Result<Outcome, Trouble>;

    /// Says who the database is, as the history that was read last tells; a name of its own only behind `prepare`.
    fn identity(&self) -> identity::Identity;

    /// What the server calls this session, if it holds the lock; 0 where there is no server.
    fn process(&self) -> i64 {
        0
    }

    /// Says whether the lock of this database is held by a session that its server calls so.
    fn is_locked_by(&mut self, _process: i64) -> bool {
        false
    }

    /// Returns the release of the server, where its version comments make it matter.
    fn release(&self) -> Option<Release>;

    /// Says whether the database holds no tables but ours.
    ///
    /// # Errors
    /// If it cannot be asked.
    fn is_empty(&mut self) -> Result<bool, Trouble>;

    /// Asks a question of the server file; returns the first column of the answer.
    ///
    /// # Errors
    /// If the database cannot be asked.
    fn names(&mut self, sql: &str) -> Result<Vec<String>, Trouble>;

    /// Carries out what people decided about a row. The lock must be held.
    ///
    /// # Errors
    /// If the row is not as it was any more, or the database refuses.
    fn settle(&mut self, row: &Row, decision: &Decision) -> Result<(), Trouble>;
}

/// How a connection is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only to read: nothing is created.
    Read,
    /// To apply.
    Write,
}

/// How to connect.
#[derive(Debug, Clone, Copy)]
pub struct Connecting<'c> {
    /// The folder from which relative paths in a URL count.
    pub folder: &'c std::path::Path,
    /// What for.
    pub access: Access,
    /// How long others are waited for.
    pub wait: Duration,
    /// The schema of the history tables, where the engine has schemas.
    pub schema: &'c str,
    /// Settings of the session, in their order: names and values.
    pub session: &'c [(String, String)],
}

impl<'c> Connecting<'c> {
    /// To read, with the usual schema.
    pub fn new(folder: &'c std::path::Path, wait: Duration) -> Self {
        Self { folder, access: Access::Read, wait, schema: "schemagate", session: &[] }
    }
}

/// An engine.
pub struct Engine {
    /// The schemes of its URLs.
    pub schemes: &'static [&'static str],
    /// Its dialect.
    pub dialect: Dialect,
    /// Opens a connection. The URL is complete; relative paths in it count from the folder.
    pub connect: Connect,
}

/// Opens a connection.
pub type Connect = fn(url: &str, how: &Connecting<'_>) -> Result<Box<dyn Session>, Trouble>;

/// All engines.
pub static ENGINES: &[Engine] = &[
    Engine { schemes: &["sqlite"], dialect: Dialect::Sqlite, connect: sqlite::connect },
    Engine { schemes: &["postgres", "postgresql"], dialect: Dialect::Postgres, connect: postgres::connect },
    Engine { schemes: &["mysql"], dialect: Dialect::Mysql, connect: mysql::connect },
    Engine { schemes: &["mariadb"], dialect: Dialect::Mariadb, connect: mysql::connect },
];

/// Finds the engine of a URL.
///
/// # Errors
/// If there is none for its scheme.
pub fn engine_of(url: &str) -> Result<&'static Engine, Trouble> {
    let scheme = url.split(':').next().unwrap_or_default();
    ENGINES.iter().find(|engine| engine.schemes.contains(&scheme)).ok_or_else(|| {
        let known: Vec<&str> = ENGINES.iter().flat_map(|engine| engine.schemes.iter().copied()).collect();
        let shown: String = crate::text::sanitize(scheme).chars().take(20).collect();
        let message = format!("no engine for URLs of the scheme `{shown}:`");
        Trouble::new(message, format!("this version applies migrations to {}", crate::text::enumerate(&known, 9)))
    })
}
