//! SQLite: one file, one writer, transactions that hold schema changes too.
//!
//! The lock is one of the operating system on a file beside the database, which ends with its holder. Foreign keys are
//! looked at before each commit, because they are not enforced while a script runs. The library is called directly and
//! not through `sqlx`, which puts a thread between: a call costs less than the change of threads.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::config::Dialect;
use crate::engine::lock::{BEHIND_NAME, FileLock, try_take};
use crate::engine::record::{Cell, Writer, cells, text};
use crate::engine::run::{Runner, gone};
use crate::engine::sqlite_calls::{answers, run_all, run_and_tell};
use crate::engine::sqlite_file::{Absent, explain, fault, on_this_machine, parse_url};
use crate::engine::sqlite_keys::{Seen, Violations, newly_broken, violations};
use crate::engine::tables::{self, MIGRATION};
use crate::engine::wire::{Class, Fault, Objection, Rows, Tick, Wire};
use crate::engine::{Access, Connecting, ScriptStatement, Session, Terms, Trouble};
use crate::history::Row;
use crate::text::holds;

/// How long SQLite itself waits before we ask again.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// For how many transactions SQLite keeps the pages that it read or wrote.
const KEPT: usize = 32;
/// Steps of SQLite's machine between two looks at the clock.
const STEPS_BETWEEN: i32 = 10_000;
/// Only on a database file of more bytes than this do ordinary statements take long.
const LARGE: u64 = 16 << 20;
/// In this time a database file does not become a large one.
const GROWS: Duration = Duration::from_millis(10);
const TOO_LONG: &str = "the statement took longer than statement-timeout";

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
    if !reads {
        // What counts is where the file is, not what leads to it.
        let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        on_this_machine(real.parent().unwrap_or(parent))?;
    }
    let connection = open(&path, reads, how.wait).map_err(|error| explain(&path, &fault(&error)))?;
    let (wait, session) = (how.wait, session(how));
    let wire = Sqlite {
        connection,
        path,
        wait,
        reads,
        session,
        known: None,
        seen: None,
        unreferring: None,
        begun: 0,
        just_ours: None,
        refers: false,
        large: false,
        looked: None,
        timeout: None,
        lock: None,
    };
    Ok(Box::new(Runner::new(wire, how.wait)))
}

/// The settings of the server file as pragmas.
fn session(how: &Connecting<'_>) -> String {
    let pragma = |(name, value): &(String, String)| {
        format!("; PRAGMA \"{}\" = {}", name.replace('"', "\"\""), text(value, Dialect::Sqlite))
    };
    how.session.iter().map(pragma).collect()
}

fn open(path: &Path, reads: bool, wait: Duration) -> rusqlite::Result<Connection> {
    let create = if reads { OpenFlags::empty() } else { OpenFlags::SQLITE_OPEN_CREATE };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    // What cannot be opened for writing can still be read.
    let connection = match Connection::open_with_flags(path, flags) {
        Err(_) if reads => Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        opened => opened?,
    };
    connection.busy_timeout(if reads { wait } else { FIRST_WAIT.min(wait) })?;
    // A reader too must be able to roll back what a killed writer left, so it opens for writing and then refuses to.
    connection.execute_batch(if reads { "PRAGMA query_only = ON" } else { "PRAGMA foreign_keys = OFF" })?;
    Ok(connection)
}

/// The statement that adds a row to the history.
fn insertion(names: &str) -> String {
    let places = vec!["?"; MIGRATION.columns.len()].join(", ");
    format!("INSERT INTO main.{} {names} VALUES ({places})", MIGRATION.name)
}

/// Its connection is closed before its lock is released: what is open is rolled back while nobody else may work.
struct Sqlite {
    connection: Connection,
    path: PathBuf,
    /// How long other writers and readers are waited for.
    wait: Duration,
    reads: bool,
    /// Pragmas of the server file.
    session: String,
    /// References that were broken before, once that was looked at.
    known: Option<Violations>,
    /// References that were found to be broken last.
    seen: Option<Seen>,
    /// The version of the data in which no table refers to another, once that was looked at.
    unreferring: Option<i64>,
    /// How many transactions were begun.
    begun: usize,
    /// Whether the history has our columns and no others, once that was looked at.
    just_ours: Option<bool>,
    /// Whether a statement since the beginning of the transaction may have made a reference.
    refers: bool,
    /// Whether the file of the database is large, and when that was looked at.
    large: bool,
    looked: Option<Instant>,
    /// How long a statement may take.
    timeout: Option<Duration>,
    lock: Option<FileLock>,
}

impl Sqlite {
    fn violations(&mut self) -> Result<Violations, Fault> {
        let mut seen = self.seen.take();
        let found = violations(&mut |sql| self.ask(sql), &mut seen);
        self.seen = seen;
        found
    }

    /// The version of the data: every commit by somebody else is another one, ours are not (documentation, `data_version`).
    fn data_version(&self) -> Result<i64, Fault> {
        let version = self.connection.query_row("PRAGMA main.data_version", [], |row| row.get(0));
        version.map_err(|error| fault(&error))
    }

    /// Runs a statement that adds a row to the history; returns how many it added.
    fn inserted(&self, sql: &str, row: &Row) -> Result<u64, Fault> {
        let added = self.connection.prepare_cached(sql).and_then(|mut insert| {
            let values = cells(row).into_iter().map(|cell| match cell {
                Cell::Number(number) => Value::Integer(number),
                Cell::Text(text) => Value::Text(text.replace('\0', "")),
                Cell::Null => Value::Null,
            });
            insert.execute(params_from_iter(values))
        });
        added.map(|added| added as u64).map_err(|error| fault(&error))
    }

    /// Says whether the history has just our columns in their order: then a row needs no names.
    fn has_just_our_columns(&mut self) -> Result<bool, Fault> {
        if let Some(just_ours) = self.just_ours {
            return Ok(just_ours);
        }
        let columns = format!("SELECT name FROM pragma_table_info('{}', 'main') ORDER BY cid", MIGRATION.name);
        let found = self.ask(&columns)?.into_iter().flatten().flatten();
        let just_ours = found.eq(MIGRATION.columns.iter().map(|(name, _)| (*name).to_owned()));
        self.just_ours = Some(just_ours);
        Ok(just_ours)
    }

    /// Says whether no table refers to another, so that nothing can be broken: to look at all tables behind each file
    /// would take as long as the files where there are a thousand.
    fn refers_to_nothing(&mut self) -> Result<bool, Fault> {
        let any = "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND instr(lower(sql), 'references') LIMIT 1";
        if self.refers || self.unreferring.is_none() && !self.ask(any)?.is_empty() {
            self.unreferring = None;
            return Ok(false);
        }
        if self.unreferring.is_none() {
            self.unreferring = Some(self.data_version()?);
        }
        Ok(true)
    }

    /// Says whether a statement may run for seconds, as far as that can be known cheaply: the database is large, or rows
    /// are made by recursion.
    fn may_take_long(&mut self, sql: &str) -> bool {
        if self.looked.is_none_or(|looked| looked.elapsed() > GROWS) {
            self.looked = Some(Instant::now());
            self.large = std::fs::metadata(&self.path).is_ok_and(|file| file.len() > LARGE);
        }
        self.large || holds(sql, "recursive")
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
        let before = self.connection.total_changes();
        self.connection.execute_batch(sql).map_err(|error| fault(&error))?;
        Ok(self.connection.total_changes() - before)
    }

    /// The statement is the same for all rows, so it is prepared once for a schema, and without the names of columns where these
    /// are just ours. Where somebody has added one since, SQLite refuses that, and it is written with names.
    fn add(&mut self, _writer: &Writer, row: &Row, _condition: &str) -> Result<u64, Fault> {
        static PLAIN: LazyLock<String> = LazyLock::new(|| insertion(""));
        static NAMED: LazyLock<String> = LazyLock::new(|| insertion(&format!("({})", MIGRATION.names())));
        if self.has_just_our_columns()? {
            match self.inserted(&PLAIN, row) {
                Ok(added) => return Ok(added),
                Err(_) => self.just_ours = Some(false),
            }
        }
        self.inserted(&NAMED, row)
    }

    fn ask(&mut self, sql: &str) -> Result<Rows, Fault> {
        let mut rows = Rows::new();
        self.each(sql, &mut |row| rows.push(row))?;
        Ok(rows)
    }

    fn each(&mut self, sql: &str, take: &mut dyn FnMut(Vec<Option<String>>)) -> Result<(), Fault> {
        answers(&self.connection, sql, take).map_err(|error| fault(&error))
    }

    fn run(&mut self, statement: &ScriptStatement, _terms: &Terms, tick: Tick<'_>) -> Result<(), Fault> {
        let late = self.timeout.map(|timeout| {
            let end = Instant::now() + timeout;
            move || Instant::now() > end
        });
        let limited = late.is_some();
        self.refers |= holds(&statement.text, "references");
        self.just_ours = self.just_ours.filter(|_| !holds(&statement.text, MIGRATION.name));
        if let Some(seen) = &mut self.seen {
            seen.note(&statement.text);
        }
        let ran = self.connection.progress_handler(STEPS_BETWEEN, late).and_then(|()| {
            if self.may_take_long(&statement.text) {
                run_and_tell(&mut self.connection, &statement.text, tick)
            } else {
                run_all(&self.connection, &statement.text)
            }
        });
        // Our own questions take as long as they take.
        let ran = ran.and(self.connection.progress_handler(0, None::<fn() -> bool>));
        ran.map_err(|error| {
            let found = fault(&error);
            if limited && found.code == "9" { Fault { message: TOO_LONG.to_owned(), ..found } } else { found }
        })
    }

    fn settle(&mut self, terms: &Terms) -> Result<(), Fault> {
        self.timeout = terms.statement_timeout;
        let keys = terms.foreign_keys.map(|on| format!("; PRAGMA foreign_keys = {on}")).unwrap_or_default();
        let settings = format!("PRAGMA foreign_keys = OFF{}{keys}", self.session);
        self.tell(&settings).map(|_| ())
    }

    /// Begins a write transaction, waiting for other writers.
    fn begin(&mut self, terms: &Terms, fresh: bool, then: &str) -> Result<u64, Fault> {
        if self.lock.as_ref().is_some_and(|lock| !lock.stands()) {
            return Err(gone());
        }
        if fresh {
            self.settle(terms)?;
        }
        // Pages of what ran before are not needed again; one large file may still have as many as it wants.
        self.begun += 1;
        if self.begun.is_multiple_of(KEPT) {
            self.tell("PRAGMA shrink_memory")?;
        }
        let started = Instant::now();
        let patience = |connection: &Connection, wait| connection.busy_timeout(wait).map_err(|error| fault(&error));
        patience(&self.connection, FIRST_WAIT.min(self.wait))?;
        loop {
            match self.tell("BEGIN IMMEDIATE") {
                Err(fault) if fault.class == Class::Busy && started.elapsed() < self.wait => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => {
                    other?;
                    patience(&self.connection, self.wait)?;
                    self.refers = false;
                    if self.unreferring.is_some() && self.unreferring != Some(self.data_version()?) {
                        self.unreferring = None;
                    }
                    return self.tell(then);
                }
            }
        }
    }

    fn place_of_data(&mut self) -> Result<String, Fault> {
        let path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        Ok(path.display().to_string())
    }

    fn tables_of_others(&self) -> String {
        "SELECT 1 FROM main.sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite|_%' ESCAPE '|' AND \
         name NOT LIKE 'schemagate|_%' ESCAPE '|' LIMIT 1"
            .to_owned()
    }

    fn keeps_lock(&self) -> bool {
        true
    }

    fn is_open(&mut self) -> Result<bool, Fault> {
        Ok(!self.connection.is_autocommit())
    }

    fn objection(&mut self) -> Result<Objection, Fault> {
        if self.refers_to_nothing()? {
            return Ok(Objection::None);
        }
        let now = self.violations()?;
        let objection = match &self.known {
            _ if now.is_empty() => Objection::None,
            None => Objection::Unsure,
            Some(known) => newly_broken(&now, known).map_or(Objection::None, Objection::Broken),
        };
        // For what comes behind the commit only what is broken now was broken before.
        if objection == Objection::None {
            self.known = self.known.is_some().then_some(now);
        }
        Ok(objection)
    }

    /// What was found to be broken may have been found in what is taken back.
    fn take_back(&mut self) -> bool {
        let _ = self.tell("ROLLBACK");
        (self.seen, self.unreferring) = (None, None);
        if self.known.is_some() {
            self.known = self.violations().ok();
        }
        false
    }

    fn learn(&mut self) -> Result<(), Fault> {
        self.known = Some(self.violations()?);
        Ok(())
    }

    fn try_lock(&mut self) -> Result<Result<(), String>, Trouble> {
        let mut name = self.path.clone().into_os_string();
        name.push(BEHIND_NAME);
        Ok(try_take(Path::new(&name))?.map(|lock| self.lock = Some(lock)))
    }

    fn condition(&self, _in_transaction: bool, _tame: bool) -> String {
        // The lock is held by this process for as long as it lives, and an open transaction is looked at directly.
        String::new()
    }

    fn explain(&self, fault: &Fault) -> Trouble {
        explain(&self.path, fault)
    }

    fn reopen(&mut self) -> Result<(), Trouble> {
        let opened = open(&self.path, self.reads, self.wait);
        self.connection = opened.map_err(|error| explain(&self.path, &fault(&error)))?;
        Ok(())
    }
}
