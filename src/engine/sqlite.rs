//! SQLite: one file, one writer, transactions that hold schema changes too.
//!
//! The lock is one of the operating system on a file beside the database, which ends with its holder. Foreign keys are
//! looked at before each commit, because they are not enforced while a script runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::runtime::Runtime;

use crate::config::Dialect;
use crate::engine::lock::{FileLock, try_take};
use crate::engine::record::text;
use crate::engine::run::Runner;
use crate::engine::sqlite_file::{Absent, explain, fault, parse_url};
use crate::engine::sqlite_keys::{Violations, counted, newly_broken};
use crate::engine::tables;
use crate::engine::wire::{Class, Fault, Objection, Rows, Tick, Wire, runtime, texts, wait};
use crate::engine::{Access, Connecting, ScriptStatement, Session, Terms, Trouble};

/// How long SQLite itself waits before we ask again.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Opens a database; see [`crate::engine::Engine::connect`].
///
/// # Errors
/// If the URL or the file cannot be used.
pub fn connect(url: &str, how: &Connecting<'_>) -> Result<Box<dyn Session>, Trouble> {
    let (file, create) = parse_url(url)?;
    let path = how.folder.join(file);
    let exists = path.exists();
    let reads = how.access == Access::Read;
    if !exists && reads {
        return Ok(Box::new(Absent));
    }
    let parent = path.parent().unwrap_or(Path::new("."));
    if !exists && (!create || !parent.is_dir()) {
        let help = if create { "create its folder first" } else { "the URL says mode=rw, so it is not created" };
        return Err(Trouble::new(format!("the database file {} does not exist", path.display()), help));
    }
    let runtime = runtime()?;
    let connection = runtime.block_on(options(&path, how).connect()).map_err(|error| explain(&path, &fault(&error)))?;
    let wire =
        Sqlite { session: session(how), runtime, connection, path, wait: how.wait, reads, lock: None, known: None };
    Ok(Box::new(Runner::new(wire, how.wait)))
}

/// The settings of the server file as pragmas.
fn session(how: &Connecting<'_>) -> String {
    let pragma = |(name, value): &(String, String)| {
        format!("; PRAGMA \"{}\" = {}", name.replace('"', "\"\""), text(value, Dialect::Sqlite))
    };
    how.session.iter().map(pragma).collect()
}

fn options(path: &Path, how: &Connecting<'_>) -> SqliteConnectOptions {
    let reads = how.access == Access::Read;
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
    let wait = if reads { how.wait } else { FIRST_WAIT.min(how.wait) };
    let options = options.create_if_missing(!reads).busy_timeout(wait).disable_statement_logging();
    // A reader too must be able to roll back what a killed writer left, so it opens for writing and then refuses to.
    if reads { options.pragma("query_only", "ON") } else { options }
}

struct Sqlite {
    runtime: Runtime,
    connection: SqliteConnection,
    path: PathBuf,
    /// How long other writers and readers are waited for.
    wait: Duration,
    reads: bool,
    /// Pragmas of the server file.
    session: String,
    lock: Option<FileLock>,
    /// References that were broken before, once that was looked at.
    known: Option<Violations>,
}

impl Sqlite {
    fn violations(&mut self) -> Result<Violations, Fault> {
        Ok(counted(&self.ask("PRAGMA foreign_key_check")?))
    }
}

impl Wire for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn prefix(&self) -> &str {
        "main."
    }

    fn has_history(&mut self) -> Result<bool, Fault> {
        let sql = format!("SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = '{}'", tables::META.name);
        Ok(!self.ask(&sql)?.is_empty())
    }

    fn tell(&mut self, sql: &str) -> Result<u64, Fault> {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let done = self.runtime.block_on(statement.execute(&mut self.connection));
        done.map(|done| done.rows_affected()).map_err(|error| fault(&error))
    }

    fn ask(&mut self, sql: &str) -> Result<Rows, Fault> {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let rows = self.runtime.block_on(statement.fetch_all(&mut self.connection));
        rows.and_then(|rows| texts!(rows)).map_err(|error| fault(&error))
    }

    fn run(&mut self, statement: &ScriptStatement, tick: Tick<'_>) -> Result<(), Fault> {
        let sql = sqlx::raw_sql(AssertSqlSafe(statement.text.clone()));
        wait(&self.runtime, tick, sql.execute(&mut self.connection)).map(|_| ()).map_err(|error| fault(&error))
    }

    fn settle(&mut self, _terms: &Terms) -> Result<(), Fault> {
        let settings = format!("PRAGMA foreign_keys = OFF{}", self.session);
        self.tell(&settings).map(|_| ())
    }

    /// Begins a write transaction, waiting for other writers.
    fn begin(&mut self, terms: &Terms, fresh: bool, then: &str) -> Result<u64, Fault> {
        if fresh {
            self.settle(terms)?;
        }
        let started = Instant::now();
        let busy = |wait: Duration| format!("PRAGMA busy_timeout = {}", wait.as_millis());
        self.tell(&busy(FIRST_WAIT.min(self.wait)))?;
        loop {
            match self.tell("BEGIN IMMEDIATE") {
                Err(fault) if fault.class == Class::Busy && started.elapsed() < self.wait => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => {
                    other?;
                    self.tell(&busy(self.wait))?;
                    return self.tell(then);
                }
            }
        }
    }

    /// Inside of a transaction SQLite refuses to begin another.
    fn is_open(&mut self) -> Result<bool, Fault> {
        if self.tell("BEGIN").is_err() {
            return Ok(true);
        }
        self.tell("ROLLBACK").map(|_| false)
    }

    fn objection(&mut self) -> Result<Objection, Fault> {
        let now = self.violations()?;
        Ok(match &self.known {
            _ if now.is_empty() => Objection::None,
            None => Objection::Unsure,
            Some(known) => newly_broken(&now, known).map_or(Objection::None, Objection::Broken),
        })
    }

    fn learn(&mut self) -> Result<(), Fault> {
        self.known = Some(self.violations()?);
        Ok(())
    }

    fn try_lock(&mut self) -> Result<Result<(), String>, Trouble> {
        let mut name = self.path.clone().into_os_string();
        name.push(".schemagate-lock");
        Ok(try_take(Path::new(&name))?.map(|lock| self.lock = Some(lock)))
    }

    fn condition(&self, _in_transaction: bool) -> String {
        // The lock is held by this process for as long as it lives, and an open transaction is looked at directly.
        String::new()
    }

    fn explain(&self, fault: &Fault) -> Trouble {
        explain(&self.path, fault)
    }

    fn reopen(&mut self) -> Result<(), Trouble> {
        let folder = Path::new("/");
        let access = if self.reads { Access::Read } else { Access::Write };
        let how = Connecting { access, ..Connecting::new(folder, self.wait) };
        let opened = self.runtime.block_on(options(&self.path, &how).connect());
        self.connection = opened.map_err(|error| explain(&self.path, &fault(&error)))?;
        Ok(())
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // Closing the connection rolls back what is open; the lock is released only afterwards.
        let options = SqliteConnectOptions::new().filename(":memory:");
        if let Ok(other) = self.runtime.block_on(options.connect()) {
            let connection = std::mem::replace(&mut self.connection, other);
            let _ = self.runtime.block_on(connection.close());
        }
        self.lock.take();
    }
}
