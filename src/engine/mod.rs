//! Databases: connecting, locking, history, running scripts.
//!
//! Async lives here and nowhere else. To add an engine: one file with a [`Session`], one line in [`ENGINES`].
//! Refuses to decide what runs; that is `plan`.

pub mod lock;
pub mod sqlite;
mod sqlite_file;
mod sqlite_keys;
mod sqlite_rows;
pub mod tables;
pub mod verify;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::config::Dialect;
use crate::history::{Mode, Row, RowError};
use crate::migration::{Checksums, Migration};

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
    pub earlier: Option<Row>,
    /// Whether a higher version has run already.
    pub out_of_order: bool,
    /// Checksums of the file.
    pub checksums: Checksums,
}

/// A statement of a script.
#[derive(Debug, Clone)]
pub struct ScriptStatement {
    /// Its text.
    pub text: String,
    /// Line of its first token, from 1.
    pub line: usize,
    /// Column of its first token, from 1.
    pub column: usize,
    /// Whether the engine cannot run it in a transaction.
    pub no_transaction: bool,
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
    fn run(&mut self, scripts: &[Script], provenance: &Provenance) -> Result<Outcome, Trouble>;
}

/// How a connection is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only to read, waiting so long while it is busy: nothing is created.
    Read(Duration),
    /// To apply, waiting so long while it is busy.
    Write(Duration),
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
pub type Connect = fn(url: &str, folder: &std::path::Path, access: Access) -> Result<Box<dyn Session>, Trouble>;

/// All engines.
pub static ENGINES: &[Engine] = &[Engine { schemes: &["sqlite"], dialect: Dialect::Sqlite, connect: sqlite::connect }];

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
