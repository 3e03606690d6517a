//! SQLite: one file, one writer, transactions that hold schema changes too.
//!
//! A script and its history row share one `BEGIN IMMEDIATE` transaction; one commit makes both true. Scripts with
//! statements that SQLite refuses in a transaction run statement by statement, and every statement that can be in a
//! transaction shares one with its progress, so a crash never leaves doubt. Only this file names `sqlx`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use tokio::runtime::Runtime;

use crate::config::Dialect;
use crate::engine::lock::{FileLock, take};
use crate::engine::sqlite_file::{Absent, explain, is_busy, parse_url, words};
use crate::engine::sqlite_keys::{Violations, counted, newly_broken};
use crate::engine::{Access, MEND, Outcome, Provenance, Script, ScriptStatement, Session, Trouble};
use crate::engine::{sqlite_rows as rows, tables};
use crate::history::{FORMAT, Mode, Row, RowError, State};

/// How long SQLite itself waits before we ask again.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Opens a database; see [`crate::engine::Engine::connect`].
///
/// # Errors
/// If the URL or the file cannot be used.
pub fn connect(url: &str, folder: &Path, access: Access) -> Result<Box<dyn Session>, Trouble> {
    let (file, create) = parse_url(url)?;
    let path = folder.join(file);
    let exists = path.exists();
    let (Access::Read(wait) | Access::Write(wait)) = access;
    let reads = matches!(access, Access::Read(_));
    if !exists && reads {
        return Ok(Box::new(Absent));
    }
    let parent = path.parent().unwrap_or(Path::new("."));
    if !exists && (!create || !parent.is_dir()) {
        let help = if create { "create its folder first" } else { "the URL says mode=rw, so it is not created" };
        return Err(Trouble::new(format!("the database file {} does not exist", path.display()), help));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Trouble::new(format!("the runtime could not be started: {error}"), "free some memory or threads")
    })?;
    let options = SqliteConnectOptions::new().filename(&path).foreign_keys(false);
    let options = options.create_if_missing(!reads).busy_timeout(if reads { wait } else { FIRST_WAIT.min(wait) });
    // A reader too must be able to roll back what a killed writer left, so it opens for writing and then refuses to.
    let options = if reads { options.pragma("query_only", "ON") } else { options };
    let connection = runtime.block_on(options.connect()).map_err(|error| explain(&path, &error))?;
    Ok(Box::new(Sqlite { runtime, connection, path, wait, lock: None }))
}

struct Sqlite {
    runtime: Runtime,
    connection: SqliteConnection,
    path: PathBuf,
    /// How long other writers and readers are waited for.
    wait: Duration,
    lock: Option<FileLock>,
}

/// What stopped a run before its end.
enum Stop {
    /// A statement of a script (by index, both from 0), with the database's words.
    Statement(usize, usize, sqlx::Error),
    /// Rows that refer to nothing, found behind a statement of a script (by index, both from 0).
    ForeignKeys(usize, usize, String),
    /// Rows that refer to nothing, and may have done so before.
    Suspicious,
    /// A statement of a script (by index, both from 0) ended the transaction.
    Ended(usize, usize),
    /// Our own bookkeeping.
    Record(sqlx::Error),
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Record(error)
    }
}

impl Sqlite {
    fn execute(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        self.runtime.block_on(statement.execute(&mut self.connection)).map(|_| ())
    }

    fn fetch(&mut self, sql: &str) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        self.runtime.block_on(statement.fetch_all(&mut self.connection))
    }

    fn explain(&self, error: &sqlx::Error) -> Trouble {
        explain(&self.path, error)
    }

    fn has_history(&mut self) -> Result<bool, Trouble> {
        let sql = format!("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{}'", tables::META.name);
        let found = self.fetch(&sql).map_err(|error| self.explain(&error))?;
        Ok(!found.is_empty())
    }

    fn check_format(&mut self) -> Result<(), Trouble> {
        let sql = format!("SELECT value FROM {} WHERE name = 'format'", tables::META.name);
        let found = self.fetch(&sql).map_err(|error| self.explain(&error))?;
        let format =
            found.first().and_then(|row| row.try_get::<String, _>(0).ok()).and_then(|text| text.parse::<i64>().ok());
        match format {
            Some(FORMAT) => Ok(()),
            Some(newer) if newer > FORMAT => Err(Trouble::new(
                format!("the history of this database has format {newer}, this program writes format {FORMAT}"),
                "upgrade schemagate on this machine; nothing was changed",
            )),
            _ => Err(Trouble::new(
                format!("the table {} of this database is not ours, or damaged", tables::META.name),
                "rename or repair that table; nothing was changed",
            )),
        }
    }

    /// Begins a write transaction, waiting for other writers.
    fn begin(&mut self) -> Result<(), sqlx::Error> {
        let started = Instant::now();
        self.execute("PRAGMA foreign_keys = OFF")?;
        self.execute(&format!("PRAGMA busy_timeout = {}", FIRST_WAIT.min(self.wait).as_millis()))?;
        loop {
            match self.execute("BEGIN IMMEDIATE") {
                Err(error) if is_busy(&error) && started.elapsed() < self.wait => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => {
                    other?;
                    return self.execute(&format!("PRAGMA busy_timeout = {}", self.wait.as_millis()));
                }
            }
        }
    }

    /// Says whether a transaction is open: inside of one SQLite refuses to begin another.
    fn is_open(&mut self) -> bool {
        match self.execute("BEGIN") {
            Err(_) => true,
            Ok(()) => {
                let _ = self.execute("ROLLBACK");
                false
            }
        }
    }

    /// Runs one statement inside our transaction, which must be open afterwards.
    fn inside(&mut self, script: usize, number: usize, statement: &ScriptStatement) -> Result<(), Stop> {
        self.execute(&statement.text).map_err(|error| Stop::Statement(script, number, error))?;
        if self.is_open() { Ok(()) } else { Err(Stop::Ended(script, number)) }
    }

    /// Runs scripts in one transaction with their rows. `known` are references that were broken before.
    fn together(
        &mut self,
        scripts: &[Script],
        provenance: &Provenance,
        known: Option<&Violations>,
    ) -> Result<Vec<Duration>, Stop> {
        self.begin()?;
        let mut durations = Vec::new();
        for (index, script) in scripts.iter().enumerate() {
            let started = Instant::now();
            let seq = self.record(&rows::row(script, provenance, State::Running, 0))?;
            for (number, statement) in script.statements.iter().enumerate() {
                self.inside(index, number, statement)?;
            }
            let elapsed = started.elapsed();
            self.execute(&rows::finish(seq, elapsed))?;
            self.execute(&rows::event(seq, "applied", ""))?;
            durations.push(elapsed);
        }
        let now = self.violations()?;
        match known {
            None if !now.is_empty() => return Err(Stop::Suspicious),
            Some(known) => {
                if let Some(problem) = newly_broken(&now, known) {
                    let last = scripts.len() - 1;
                    return Err(Stop::ForeignKeys(last, scripts[last].statements.len().max(1) - 1, problem));
                }
            }
            None => {}
        }
        self.execute("COMMIT")?;
        Ok(durations)
    }

    /// Runs one script statement by statement, recording progress with each.
    fn journal(&mut self, script: &Script, provenance: &Provenance) -> Result<Vec<Duration>, Stop> {
        let started = Instant::now();
        let known = self.violations()?;
        self.begin()?;
        let seq = self.record(&rows::row(script, provenance, State::Running, script.done))?;
        self.execute(&rows::event(seq, "started", ""))?;
        self.execute("COMMIT")?;
        for (number, statement) in script.statements.iter().enumerate().skip(script.done) {
            if statement.no_transaction {
                self.execute(&statement.text).map_err(|error| Stop::Statement(0, number, error))?;
                self.execute(&rows::progress(seq, number + 1))?;
                continue;
            }
            self.begin()?;
            self.inside(0, number, statement)?;
            if let Some(problem) = newly_broken(&self.violations()?, &known) {
                return Err(Stop::ForeignKeys(0, number, problem));
            }
            self.execute(&rows::progress(seq, number + 1))?;
            self.execute("COMMIT")?;
        }
        self.begin()?;
        self.execute(&rows::finish(seq, started.elapsed()))?;
        self.execute(&rows::event(seq, "applied", ""))?;
        self.execute("COMMIT")?;
        Ok(vec![started.elapsed()])
    }

    /// Writes a row over an earlier attempt's, or behind all others; returns its number.
    /// Never touches a row that says applied: whoever wrote it was faster.
    fn record(&mut self, row: &Row) -> Result<i64, sqlx::Error> {
        let earlier = self.fetch(&rows::state_of(row))?;
        if earlier
            .first()
            .is_some_and(|row| row.try_get::<String, _>(0).is_ok_and(|state| state == State::Applied.word()))
        {
            return Err(sqlx::Error::Protocol(format!("version {} {} was applied meanwhile", row.version, row.kind)));
        }
        self.execute(&rows::replace(row))?;
        let found = self.fetch(&rows::number_of(row))?;
        found.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)
    }

    fn violations(&mut self) -> Result<Violations, sqlx::Error> {
        counted(&self.fetch("PRAGMA foreign_key_check")?)
    }

    /// After a stop: takes back what is open, records the failure, and says what is left.
    fn stopped(&mut self, scripts: &[Script], provenance: &Provenance, stop: Stop) -> Result<Outcome, Trouble> {
        let _ = self.execute("ROLLBACK");
        let (index, number, (message, code)) = match stop {
            Stop::Record(error) => return self.after_lost_record(scripts, &error),
            Stop::Suspicious => {
                return Err(Trouble::new("broken references could not be told apart", "schemagate apply"));
            }
            Stop::Statement(index, number, error) => (index, number, words(&error)),
            Stop::ForeignKeys(index, number, problem) => (index, number, (problem, "foreign-key".to_owned())),
            Stop::Ended(index, number) => {
                return self.record_ended(scripts, provenance, index, number);
            }
        };
        let script = &scripts[index];
        let error = rows::error(script, number, message, code);
        let journal = script.mode == Mode::Journal;
        let done = if journal { number } else { 0 };
        let row = Row { error: Some(error.clone()), ..rows::row(script, provenance, State::Failed, done) };
        self.record_failure(&row, &error);
        let left = match (journal, scripts.len()) {
            (true, _) => format!("statements 1 to {done} of this file ran and stay; the others did not run"),
            (false, 1) => "nothing of this file stays; the database is as it was before it".to_owned(),
            (false, several) => {
                format!("nothing of the {several} files of this push stays; the database is as it was before")
            }
        };
        Ok(Outcome::Failed { script: index, error, left, help: MEND.to_owned() })
    }

    /// Writes a failed row of its own, behind the work that was taken back.
    fn record_failure(&mut self, row: &Row, error: &RowError) {
        let recorded = self.begin().and_then(|()| {
            let seq = self.record(row)?;
            self.execute(&rows::event(seq, "failed", &error.message))?;
            self.execute("COMMIT")
        });
        if recorded.is_err() {
            let _ = self.execute("ROLLBACK");
        }
    }

    /// A statement ended our transaction: what ran up to it stays, and is recorded as far as it came.
    fn record_ended(
        &mut self,
        scripts: &[Script],
        provenance: &Provenance,
        index: usize,
        number: usize,
    ) -> Result<Outcome, Trouble> {
        let script = &scripts[index];
        let message = "this statement ended the transaction in which the file runs".to_owned();
        let error = rows::error(script, number, message, "transaction".to_owned());
        let row = rows::row(script, provenance, State::Failed, number + 1);
        self.record_failure(&Row { error: Some(error.clone()), mode: Mode::Journal, ..row }, &error);
        let left = format!("statements 1 to {} of this file ran and may stay; the others did not run", number + 1);
        let help = "look at what stayed; then mend only what comes behind these statements".to_owned();
        Ok(Outcome::Failed { script: index, error, left, help })
    }

    /// Our own bookkeeping or the commit failed: the history decides whether the work is there.
    fn after_lost_record(&mut self, scripts: &[Script], error: &sqlx::Error) -> Result<Outcome, Trouble> {
        let rows = self.history()?;
        let applied = scripts.iter().all(|script| {
            rows.iter().any(|row| {
                row.position() == script.migration.position()
                    && row.project == script.migration.project
                    && row.state == State::Applied
                    && row.blob_id == script.migration.blob.as_str()
            })
        });
        if applied { Ok(Outcome::Applied(vec![Duration::ZERO; scripts.len()])) } else { Err(self.explain(error)) }
    }
}

impl Session for Sqlite {
    fn history(&mut self) -> Result<Vec<Row>, Trouble> {
        if !self.has_history()? {
            return Ok(Vec::new());
        }
        self.check_format()?;
        let sql = format!("SELECT {} FROM {} ORDER BY seq", tables::MIGRATION.names(), tables::MIGRATION.name);
        let found = self.fetch(&sql).map_err(|error| self.explain(&error))?;
        let damaged = |error: sqlx::Error| {
            Trouble::new(
                format!("a row of the history cannot be read: {error}"),
                "it was changed by hand; restore the table from a backup",
            )
        };
        found.iter().map(rows::read).collect::<Result<_, _>>().map_err(damaged)
    }

    fn lock(&mut self, wait: Duration, waiting: &mut dyn FnMut(&str)) -> Result<(), Trouble> {
        let mut name = self.path.clone().into_os_string();
        name.push(".schemagate-lock");
        self.lock = Some(take(Path::new(&name), wait, waiting)?);
        Ok(())
    }

    fn prepare(&mut self) -> Result<(), Trouble> {
        if self.has_history()? {
            return self.check_format();
        }
        let create: Vec<String> = tables::ALL.iter().map(|table| table.create(Dialect::Sqlite)).collect();
        let made = self.begin().and_then(|()| {
            for sql in &create {
                self.execute(sql)?;
            }
            self.execute(&rows::meta())?;
            self.execute("COMMIT")
        });
        made.map_err(|error| {
            let _ = self.execute("ROLLBACK");
            self.explain(&error)
        })
    }

    fn run(&mut self, scripts: &[Script], provenance: &Provenance) -> Result<Outcome, Trouble> {
        let journal = scripts.len() == 1 && scripts[0].mode == Mode::Journal;
        let result = if journal {
            self.journal(&scripts[0], provenance)
        } else {
            match self.together(scripts, provenance, None) {
                // Only now is it worth knowing what was broken before: once more, with that knowledge.
                Err(Stop::Suspicious) => {
                    let _ = self.execute("ROLLBACK");
                    self.violations()
                        .map_err(Stop::Record)
                        .and_then(|known| self.together(scripts, provenance, Some(&known)))
                }
                other => other,
            }
        };
        match result {
            Ok(durations) => Ok(Outcome::Applied(durations)),
            Err(stop) => self.stopped(scripts, provenance, stop),
        }
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
