//! What one engine's connection can do, so that running migrations is written once for all engines.
//!
//! A [`Wire`] sends statements, says what went wrong in one vocabulary, and knows its engine's lock. Refuses to know
//! scripts, histories and when to try again.

use std::time::Duration;

use crate::config::Dialect;
use crate::config::flavour::Release;
use crate::engine::apart::Tables;
use crate::engine::record::Writer;
use crate::engine::{ScriptStatement, Terms, Trouble};
use crate::history::Row;

/// Rows of an answer; NULL is `None`.
pub(super) type Rows = Vec<Vec<Option<String>>>;

/// What a fault means for what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// The database refused; nothing of the statement stays.
    Refused,
    /// Somebody else was in the way: nothing of the transaction stays, and trying again may work.
    Busy,
    /// The connection is gone: whether the statement took effect is not known.
    Lost,
    /// The lock under which we work is not ours any more.
    LockLost,
    /// The transaction in which we work was ended by the script.
    Ended,
}

/// What went wrong with a statement.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// The database's words.
    pub(super) message: String,
    /// Its code; empty if it has none.
    pub(super) code: String,
    /// The byte of the statement that it points at.
    pub(super) byte: Option<usize>,
    /// What it means.
    pub(super) class: Class,
}

impl Fault {
    /// A fault of our own finding.
    pub(super) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { message: message.into(), code: String::new(), byte: None, class }
    }
}

/// What an engine has against a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Objection {
    /// Nothing.
    None,
    /// Something is wrong, and may have been before: look at that and run again.
    Unsure,
    /// The script made something wrong.
    Broken(String),
}

/// Told while a statement runs: how long it has been running.
pub(super) type Tick<'t> = &'t mut dyn FnMut(Duration);

/// A connection to one database.
pub(super) trait Wire {
    /// The engine's dialect.
    fn dialect(&self) -> Dialect;

    /// What stands before the names of the history tables, with its dot: `schemagate.`, `` `shop`. ``, or nothing.
    fn prefix(&self) -> &str;

    /// Statements that make the place where the history tables stand; empty where there is nothing to make.
    fn place(&self) -> String {
        String::new()
    }

    /// Asks whether our tables are there.
    ///
    /// # Errors
    /// If the database cannot be asked.
    fn has_history(&mut self) -> Result<bool, Fault>;

    /// Runs statements of our own, joined by semicolons; returns how many rows they touched together.
    ///
    /// # Errors
    /// If one fails.
    fn tell(&mut self, sql: &str) -> Result<u64, Fault>;

    /// Writes a row of the history in nobody's place, if `condition` holds; returns how many it wrote. Who has a quicker
    /// way than a statement with the values in it uses that.
    ///
    /// # Errors
    /// If it fails.
    fn add(&mut self, writer: &Writer, row: &Row, condition: &str) -> Result<u64, Fault> {
        self.tell(&writer.replace(row, false, condition))
    }

    /// Asks a question of our own.
    ///
    /// # Errors
    /// If it fails.
    fn ask(&mut self, sql: &str) -> Result<Rows, Fault>;

    /// Asks a question of our own and gives its rows one after the other; who can holds one at a time.
    ///
    /// # Errors
    /// If it fails.
    fn each(&mut self, sql: &str, take: &mut dyn FnMut(Vec<Option<String>>)) -> Result<(), Fault> {
        self.ask(sql)?.into_iter().for_each(take);
        Ok(())
    }

    /// Runs one statement of a script that stands under these terms.
    ///
    /// # Errors
    /// If it fails.
    fn run(&mut self, statement: &ScriptStatement, terms: &Terms, tick: Tick<'_>) -> Result<(), Fault>;

    /// Puts the session back to what the engine's own client would have, under the terms of a script.
    ///
    /// # Errors
    /// If that fails.
    fn settle(&mut self, terms: &Terms) -> Result<(), Fault>;

    /// Begins a transaction and runs statements of our own in it, in as few messages as the engine allows. `fresh` puts
    /// the session back first, as [`Wire::settle`] does.
    ///
    /// # Errors
    /// If that fails; then no transaction is open.
    fn begin(&mut self, terms: &Terms, fresh: bool, then: &str) -> Result<u64, Fault>;

    /// Says where the data of the database are: the same only for the same database.
    ///
    /// # Errors
    /// If the database cannot be asked.
    fn place_of_data(&mut self) -> Result<String, Fault>;

    /// The question that has rows if there are tables which are not ours.
    fn tables_of_others(&self) -> String;

    /// Takes an open transaction back, if one is open; says whether the server tells that a part of it stays.
    fn take_back(&mut self) -> bool {
        let _ = self.tell("ROLLBACK");
        false
    }

    /// Asks which tables keep what a statement did when its transaction is taken back.
    ///
    /// # Errors
    /// If the database cannot be asked.
    fn tables(&mut self) -> Result<Tables, Fault> {
        Ok(Tables::default())
    }

    /// Says whether a commit can begin the next transaction.
    fn chains(&self) -> bool {
        false
    }

    /// What makes sure that a statement of our own outside of a transaction stays, whatever a script did to the session.
    fn seal(&self) -> &'static str {
        ""
    }

    /// Says whether [`Wire::settle`] takes all back that a script can leave in its session.
    fn settles_all(&self) -> bool {
        false
    }

    /// Says whether something that a script told its session stays when its transaction is taken back: variables of MySQL,
    /// prepared statements of PostgreSQL.
    fn keeps_what_was_told(&self) -> bool {
        false
    }

    /// Says whether a routine, a trigger or a stored expression of the database may tell the session of whoever calls it
    /// something.
    ///
    /// # Errors
    /// If the database cannot be asked.
    fn routines_tell(&mut self) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Gives back what [`Wire::settle`] does not, such as locks that a script took beside ours; says whether nothing is
    /// left.
    ///
    /// # Errors
    /// If the database cannot be asked.
    fn gives_back(&mut self) -> Result<bool, Fault> {
        Ok(true)
    }

    /// Opens a new session that has our lock in the moment in which the old one gives it up; says whether it did.
    ///
    /// # Errors
    /// If the server does not let us in, or gave the lock to somebody else.
    fn renew(&mut self) -> Result<bool, Trouble> {
        Ok(false)
    }

    /// Returns the release of the server, where its version comments make it matter.
    fn release(&self) -> Option<Release> {
        None
    }

    /// The question how the session reads text, where a setting can change that: the setting, and the encoding.
    fn reading(&self) -> Option<&'static str> {
        None
    }

    /// Says whether the lock stays ours when the connection ends.
    fn keeps_lock(&self) -> bool {
        false
    }

    /// What puts our own rights back, if a script can have taken others.
    fn own_rights(&self) -> &'static str {
        ""
    }

    /// What takes the limit of time away that a script has, before our own record of it.
    fn without_limit(&self) -> &'static str {
        ""
    }

    /// Says whether our transaction is still open; asked behind each statement that ran in it.
    ///
    /// # Errors
    /// If the database cannot be asked.
    fn is_open(&mut self) -> Result<bool, Fault> {
        Ok(true)
    }

    /// Asks what speaks against a commit.
    ///
    /// # Errors
    /// If the database cannot be asked.
    fn objection(&mut self) -> Result<Objection, Fault> {
        Ok(Objection::None)
    }

    /// Learns what is wrong already, before a script runs.
    ///
    /// # Errors
    /// If the database cannot be asked.
    fn learn(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    /// Makes room for a statement that runs outside of transactions: removes what a failed attempt left. Says what.
    ///
    /// # Errors
    /// If that fails.
    fn make_room(&mut self, _statement: &ScriptStatement) -> Result<Option<String>, Fault> {
        Ok(None)
    }

    /// Takes the lock under which scripts run, or says who holds it. Never waits.
    ///
    /// # Errors
    /// If the lock cannot be trusted here.
    fn try_lock(&mut self) -> Result<Result<(), String>, Trouble>;

    /// What the server calls the session that holds our lock; 0 where there is none.
    fn process(&self) -> i64 {
        0
    }

    /// The question that has a row where a session with this name holds this lock; empty where nobody can be asked.
    fn locked_by(&self, _process: i64) -> String {
        String::new()
    }

    /// A condition in SQL that holds while the lock is ours, and `in_transaction` only while the one that was begun is
    /// open; empty where neither can be lost. `tame` says that what ran cannot have released the lock itself.
    fn condition(&self, in_transaction: bool, tame: bool) -> String;

    /// What the server said beside answers, since it was asked last.
    fn notices(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Explains a fault to people, without secrets.
    fn explain(&self, fault: &Fault) -> Trouble;

    /// Opens the connection anew after it was lost.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn reopen(&mut self) -> Result<(), Trouble>;
}

/// How long a lost connection is tried to be had again.
pub(super) const REOPEN: Duration = Duration::from_secs(5);

/// Connects, or says that the server did not answer in time; the inner error is the server's.
pub(super) fn connected<T>(
    runtime: &tokio::runtime::Runtime,
    patience: Duration,
    connecting: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<Result<T, sqlx::Error>, Trouble> {
    let limit = patience.clamp(Duration::from_secs(1), Duration::from_secs(30));
    runtime.block_on(async { tokio::time::timeout(limit, connecting).await }).map_err(|_| {
        Trouble::new(
            format!("the server did not answer within {} s", limit.as_secs()),
            "check host, port and firewall, then run schemagate sync",
        )
    })
}

/// What stands between two statements of our own, the second of which may be missing.
pub(super) fn joint(then: &str) -> &'static str {
    if then.is_empty() { "" } else { "; " }
}

/// Makes the runtime of a session: one thread, used only while something is asked.
///
/// # Errors
/// If the system has no room for it.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Trouble> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Trouble::new(format!("the runtime could not be started: {error}"), "free some memory or threads")
    })
}

/// Takes rows of any engine as text. Simple queries answer in text, so nothing is converted.
macro_rules! texts {
    ($rows:expr) => {
        $rows
            .iter()
            .map(|row| (0..sqlx::Row::len(row)).map(|at| sqlx::Row::try_get_unchecked(row, at)).collect())
            .collect::<Result<crate::engine::wire::Rows, sqlx::Error>>()
    };
}
pub(super) use texts;

/// What is said of a certificate that is its own authority, which the TLS library takes for no server's.
pub(super) const OWN_AUTHORITY: &str = "the server shows a certificate of an authority (CA:TRUE): give it one that is none, \
                                        signed by that authority";

/// Says whether a connection came to nothing because of its certificates: the TLS library says so inside of an error of
/// the network.
pub(super) fn is_about_tls(message: &str) -> bool {
    message.starts_with("TLS") || message.contains("certificate")
}

/// The methods of a [`Wire`] that are the same over every connection of `sqlx`. The type has `runtime`, `connection`,
/// `options`, `process`, `settings` and `as_our_own`; its module has `open`, `is_there`, `fault` and `explain`.
macro_rules! over_sqlx {
    ($connection:ty) => {
        fn tell(&mut self, sql: &str) -> Result<u64, Fault> {
            let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(self.as_our_own(sql).into_owned()));
            let alive =
                async || crate::engine::watch::alive::<$connection>(&self.options, is_there(self.process)).await;
            let done = wait(&self.runtime, &mut |_| {}, alive, statement.execute(&mut self.connection));
            done.map(|done| done.rows_affected()).map_err(|error| fault(&error, sql))
        }

        fn ask(&mut self, sql: &str) -> Result<Rows, Fault> {
            let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(self.as_our_own(sql).into_owned()));
            let alive =
                async || crate::engine::watch::alive::<$connection>(&self.options, is_there(self.process)).await;
            let rows = wait(&self.runtime, &mut |_| {}, alive, statement.fetch_all(&mut self.connection));
            rows.and_then(|rows| texts!(rows)).map_err(|error| fault(&error, sql))
        }

        fn settle(&mut self, terms: &Terms) -> Result<(), Fault> {
            self.tell(&self.settings(terms)).map(|_| ())
        }

        fn process(&self) -> i64 {
            i64::try_from(self.process).unwrap_or_default()
        }

        fn chains(&self) -> bool {
            true
        }

        fn keeps_what_was_told(&self) -> bool {
            true
        }

        fn explain(&self, fault: &Fault) -> Trouble {
            explain(fault)
        }

        fn reopen(&mut self) -> Result<(), Trouble> {
            self.connection = again(|| open(&self.runtime, &self.options, REOPEN))?;
            Ok(())
        }
    };
}
pub(super) use over_sqlx;
