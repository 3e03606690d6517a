//! PostgreSQL: one connection, a session lock, schema changes in transactions.
//!
//! Knows its settings, its errors, its advisory locks and what a pool of connections does to them. Facts are those of
//! the manual of PostgreSQL 15 and were measured there.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError, PgErrorPosition, PgSeverity};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::runtime::Runtime;

use crate::config::Dialect;
use crate::engine::concurrent::{self, beside_others, waits_for_others};
use crate::engine::detach::or_what_goes_on;
use crate::engine::notices;
use crate::engine::patience::again;
use crate::engine::postgres_session::{READING, URL, allowed, explain, inside};
use crate::engine::probe::quoted;
use crate::engine::record::text;
use crate::engine::routines;
use crate::engine::run::Runner;
use crate::engine::url_options::{ODD, look};
use crate::engine::watch::{alive, wait};
use crate::engine::wire::{Class, Fault, REOPEN, Rows, Tick, Wire, connected, joint, over_sqlx, runtime, texts};
use crate::engine::words::Words;
use crate::engine::{Access, Connecting, ScriptStatement, Session, Shares, Terms, Trouble, tables};
use crate::text::holds;

/// First key of the advisory lock: tells our locks from those of other programs.
pub(super) const LOCK_CLASS: i32 = 0x5343_4741;
/// How many times a script may have taken a lock of its own before a new session is the quicker way.
const MOST_LOCKS: usize = 100;

/// Opens a database; see [`crate::engine::Engine::connect`].
///
/// # Errors
/// If the URL cannot be used, or the server does not let us in.
pub fn connect(url: &str, how: &Connecting<'_>) -> Result<Box<dyn Session>, Trouble> {
    let runtime = runtime()?;
    look(url, &URL)?;
    let unusable =
        |_| Trouble::new("the URL cannot be used", format!("write postgres://user@host:5432/database; {ODD}"));
    let options = PgConnectOptions::from_str(url).map_err(unusable)?;
    let options = options.statement_cache_capacity(0).disable_statement_logging().application_name(&name());
    notices::listen();
    let (connection, options) = allowed(&runtime, options, how.wait)?;
    let prefix = format!("\"{}\".", how.schema.replace('"', "\"\""));
    let mut wire = Postgres {
        runtime,
        connection,
        options,
        schema: how.schema.to_owned(),
        prefix,
        session: String::new(),
        role: None,
        routines_stay: None,
        has_schema: false,
        lock: 0,
        process: 0,
    };
    wire.lock = wire.lock_key();
    if how.access == Access::Write {
        wire.introduce(how)?;
    }
    Ok(Box::new(Runner::new(wire, how.wait)))
}

/// Who we are, for those who look at the server's sessions.
fn name() -> String {
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    format!("schemagate {} on {host}", std::process::id()).chars().take(63).collect()
}

pub(super) fn open(runtime: &Runtime, options: &PgConnectOptions, patience: Duration) -> Result<PgConnection, Trouble> {
    connected(runtime, patience, PgConnection::connect_with(options))?.map_err(|error| explain(&fault(&error, "")))
}

/// The question that has a row while the session of a process is there; of process 0 always.
fn is_there(process: i32) -> String {
    format!("SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = {process} OR {process} = 0 LIMIT 1")
}

pub(super) struct Postgres {
    pub(super) runtime: Runtime,
    pub(super) connection: PgConnection,
    pub(super) options: PgConnectOptions,
    schema: String,
    prefix: String,
    /// Statements that put the settings back which the library changed when it connected.
    pub(super) session: String,
    /// The statement that takes the role which the server file gives to all scripts.
    pub(super) role: Option<String>,
    /// Whether a routine may leave what nothing takes back, once that was looked at.
    routines_stay: Option<bool>,
    has_schema: bool,
    pub(super) lock: i32,
    /// The process of the server that holds our lock.
    pub(super) process: i32,
}

impl Postgres {
    /// The second key of our lock: the database is part of every advisory lock already, so only the schema counts.
    fn lock_key(&self) -> i32 {
        use sha2::{Digest as _, Sha256};
        let sum = Sha256::digest(self.schema.as_bytes());
        i32::from_be_bytes([sum[0] & 0x7f, sum[1], sum[2], sum[3]])
    }

    /// The condition under which a row of `pg_locks` is our lock, held by somebody.
    fn held(&self) -> String {
        let key = self.lock;
        format!("locktype = 'advisory' AND classid = {LOCK_CLASS} AND objid = {key} AND objsubid = 2 AND granted")
    }

    pub(super) fn cell(&mut self, sql: &str) -> Result<String, Trouble> {
        let rows = self.ask(sql).map_err(|fault| explain(&fault))?;
        Ok(rows.into_iter().flatten().flatten().next().unwrap_or_default())
    }

    /// What is looked at before anything is written: a replica, a pool of connections, the usual settings.
    fn introduce(&mut self, how: &Connecting<'_>) -> Result<(), Trouble> {
        if self.cell("SELECT pg_catalog.pg_is_in_recovery()")? == "t" {
            return Err(Trouble::new(
                "this server is a read-only replica",
                "let the URL of this target name the primary server",
            ));
        }
        self.look_for_a_pool()?;
        // A killed client's running statement ends soon (PostgreSQL 14 and later), and we may wait as long as we like.
        const CHECK: &str = "SET client_connection_check_interval = '2s'; ";
        let check = if self.tell(CHECK.trim_end_matches("; ")).is_ok() { CHECK } else { "" };
        self.session = format!("{check}SET idle_in_transaction_session_timeout = 0; SET extra_float_digits = 1");
        for (name, value) in self.usual_settings() {
            self.session.push_str(&format!("; SET {name} = {value}"));
        }
        for (name, value) in how.session {
            let roles = [("role", "SET ROLE"), ("session_authorization", "SET SESSION AUTHORIZATION")];
            if let Some((_, set)) = roles.iter().find(|(role, _)| name.eq_ignore_ascii_case(role)) {
                let named = || format!("{set} {}", quoted(None, value));
                self.role = (!value.eq_ignore_ascii_case("none")).then(named);
            }
            let (name, value) = (text(name, Dialect::Postgres), text(value, Dialect::Postgres));
            self.session.push_str(&format!("; SELECT pg_catalog.set_config({name}, {value}, false)"));
        }
        Ok(())
    }
}

impl Wire for Postgres {
    over_sqlx!(PgConnection);

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn place(&self) -> String {
        let schema = self.prefix.trim_end_matches('.');
        if self.has_schema { String::new() } else { format!("CREATE SCHEMA {schema}") }
    }

    fn has_history(&mut self) -> Result<bool, Fault> {
        let table = text(&format!("{}{}", self.prefix, tables::META.name), Dialect::Postgres);
        let schema = text(self.prefix.trim_end_matches('.'), Dialect::Postgres);
        let rows = self.ask(&format!(
            "SELECT pg_catalog.to_regclass({table}) IS NOT NULL, pg_catalog.to_regnamespace({schema}) IS NOT NULL"
        ))?;
        let yes =
            |at: usize| rows.first().and_then(|row| row.get(at).cloned().flatten()).is_some_and(|cell| cell == "t");
        self.has_schema = yes(1);
        Ok(yes(0))
    }

    fn run(&mut self, statement: &ScriptStatement, terms: &Terms, tick: Tick<'_>) -> Result<(), Fault> {
        if statement.shares == Shares::Nothing && waits_for_others(&statement.text) {
            let sent = or_what_goes_on(self, statement)?;
            return beside_others(self, &statement.text, terms, |wire| wire.send(&sent, tick));
        }
        self.send(statement, tick)?;
        // The mark of our transaction is a setting like others.
        if holds(&statement.text, "RESET") && Words::of(&statement.text, Dialect::Postgres).take(&["RESET", "ALL"]) {
            self.tell("SELECT pg_catalog.set_config('schemagate.open', 'yes', true)")?;
        }
        Ok(())
    }

    fn begin(&mut self, terms: &Terms, fresh: bool, then: &str) -> Result<u64, Fault> {
        // An isolation must come before any query of its transaction, and what settles the session holds some.
        let apart = fresh && terms.isolation.is_some();
        if apart {
            self.settle(terms)?;
        }
        let settings = if fresh && !apart { format!("{}; ", self.settings(terms)) } else { String::new() };
        let isolation = terms.isolation.as_ref().map(|level| format!(" ISOLATION LEVEL {level}")).unwrap_or_default();
        self.tell(&format!("{settings}BEGIN{isolation}; SET LOCAL schemagate.open = 'yes'{}{then}", joint(then)))
    }

    fn place_of_data(&mut self) -> Result<String, Fault> {
        let database = "(SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";
        let whole = format!("SELECT {database}, system_identifier FROM pg_catalog.pg_control_system()");
        // Not every role may ask for the server's own number.
        let cells = match self.ask(&whole) {
            Err(fault) if fault.class == Class::Lost => return Err(fault),
            Ok(cells) => cells,
            Err(_) => self.ask(&format!("SELECT {database}"))?,
        };
        Ok(cells.into_iter().flatten().flatten().collect::<Vec<_>>().join(" "))
    }

    fn tables_of_others(&self) -> String {
        let ours = text(&self.schema, Dialect::Postgres);
        format!(
            "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE \
             c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> \
             'information_schema' AND NOT (n.nspname = {ours} AND c.relname LIKE 'schemagate\\_%') AND NOT EXISTS (SELECT \
             1 FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') LIMIT 1"
        )
    }

    fn take_back(&mut self) -> bool {
        let _ = self.tell("ROLLBACK");
        // That there was nothing to take back is no news.
        notices::take();
        false
    }

    fn routines_tell(&mut self) -> Result<bool, Fault> {
        self.ask(&routines::postgres()).map(|rows| !rows.is_empty())
    }

    fn gives_back(&mut self) -> Result<bool, Fault> {
        let routines_stay = match self.routines_stay {
            Some(stay) => stay,
            None => !self.ask(routines::POSTGRES_STAY)?.is_empty(),
        };
        self.routines_stay = Some(routines_stay);
        if routines_stay {
            return Ok(false);
        }
        // One that was taken several times is shown once. Keys are of one number or of two (manual, "pg_locks").
        let others = format!(
            "SELECT CASE WHEN objsubid = 2 AND mode LIKE '%Share%' THEN pg_catalog.pg_advisory_unlock_shared(classid::int4, \
             objid::int4) WHEN objsubid = 2 THEN pg_catalog.pg_advisory_unlock(classid::int4, objid::int4) WHEN mode LIKE \
             '%Share%' THEN pg_catalog.pg_advisory_unlock_shared((classid::int8 << 32) | objid::int8) ELSE \
             pg_catalog.pg_advisory_unlock((classid::int8 << 32) | objid::int8) END FROM pg_catalog.pg_locks WHERE locktype = \
             'advisory' AND pid = pg_catalog.pg_backend_pid() AND NOT (classid = {LOCK_CLASS} AND objid = {} AND objsubid = 2)",
            self.lock
        );
        for _ in 0..MOST_LOCKS {
            if self.ask(&others)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn renew(&mut self) -> Result<bool, Trouble> {
        self.succeed()
    }

    fn reading(&self) -> Option<&'static str> {
        Some(READING)
    }

    fn settles_all(&self) -> bool {
        true
    }

    fn without_limit(&self) -> &'static str {
        "SET LOCAL statement_timeout = 0; "
    }

    fn own_rights(&self) -> &'static str {
        "RESET SESSION AUTHORIZATION; "
    }

    fn make_room(&mut self, statement: &ScriptStatement) -> Result<Option<String>, Fault> {
        concurrent::make_room(self, &statement.text)
    }

    fn try_lock(&mut self) -> Result<Result<(), String>, Trouble> {
        // The one before may have ended.
        self.process = 0;
        let got = self.cell(&format!("SELECT pg_catalog.pg_try_advisory_lock({LOCK_CLASS}, {})", self.lock))?;
        if got == "t" {
            self.process = self.cell("SELECT pg_catalog.pg_backend_pid()")?.parse().unwrap_or_default();
            return Ok(Ok(()));
        }
        let holder = self.cell(&format!(
            "SELECT coalesce(nullif(a.application_name, ''), 'a session') || ' (process ' || a.pid || ' of the server)' \
             FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = \
             'advisory' AND l.classid = {LOCK_CLASS} AND l.objid = {} AND l.objsubid = 2 AND l.granted AND l.database = \
             (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())",
            self.lock
        ))?;
        Ok(Err(if holder.is_empty() { "another session".to_owned() } else { holder }))
    }

    fn locked_by(&self, process: i64) -> String {
        format!(
            "SELECT 1 FROM pg_catalog.pg_locks WHERE {} AND pid = {process} AND database = (SELECT oid FROM \
             pg_catalog.pg_database WHERE datname = current_database())",
            self.held()
        )
    }

    fn condition(&self, in_transaction: bool, tame: bool) -> String {
        // The lock belongs to the session: while that is the same one, only a statement can have released it, or have
        // ended the transaction.
        if tame {
            return format!("pg_catalog.pg_backend_pid() = {}", self.process);
        }
        // The setting ends with the transaction in which it was made.
        let open = if in_transaction { "pg_catalog.current_setting('schemagate.open', true) = 'yes' AND " } else { "" };
        format!(
            "{open}EXISTS (SELECT 1 FROM pg_catalog.pg_locks WHERE {} AND pid = pg_catalog.pg_backend_pid())",
            self.held()
        )
    }

    fn notices(&mut self) -> Vec<String> {
        notices::take()
    }
}

impl Postgres {
    /// Sends one statement of a script, with the rows that stand behind it.
    fn send(&mut self, statement: &ScriptStatement, tick: Tick<'_>) -> Result<(), Fault> {
        let (connection, sql) = (&mut self.connection, &statement.text);
        let alive = async || alive::<PgConnection>(&self.options, is_there(self.process)).await;
        let ran = match &statement.rows {
            None => {
                let sql = sqlx::raw_sql(AssertSqlSafe(sql.clone()));
                wait(&self.runtime, tick, alive, sql.execute(connection)).map(|_| ())
            }
            Some(rows) => wait(&self.runtime, tick, alive, async {
                let mut copy = connection.copy_in_raw(sql).await?;
                copy.send(rows.as_bytes()).await?;
                copy.finish().await.map(|_| ())
            }),
        };
        ran.map_err(|error| inside(fault(&error, sql), statement))
    }
}

/// Takes an error of the library apart; its place counts in `sql`.
pub(super) fn fault(error: &sqlx::Error, sql: &str) -> Fault {
    let sqlx::Error::Database(refused) = error else {
        return Fault::new(Class::Lost, without_url(error));
    };
    let Some(refused) = refused.try_downcast_ref::<PgDatabaseError>() else {
        return Fault::new(Class::Refused, error.to_string());
    };
    let byte = match refused.position() {
        Some(PgErrorPosition::Original(character)) => {
            Some(sql.char_indices().nth(character.saturating_sub(1)).map_or(sql.len(), |(at, _)| at))
        }
        _ => None,
    };
    let code = refused.code().to_owned();
    // Only what is fatal ends the session: codes can be raised by anybody, and those of connections are about another
    // one where the statement makes one itself (manual, "Message Severity Levels").
    let class = match code.as_str() {
        _ if matches!(refused.severity(), PgSeverity::Fatal | PgSeverity::Panic) => Class::Lost,
        "55P03" | "40P01" | "40001" => Class::Busy,
        _ => Class::Refused,
    };
    let mut message = refused.message().to_owned();
    // The context names the row of a COPY, or the line of the innermost block or function; release 18 names the expression
    // before that.
    let more = ["PL/pgSQL expression ", "PL/pgSQL assignment "];
    let names = |line: &str| line.starts_with("PL/") && !more.iter().any(|more| line.starts_with(more));
    let told = |line: &&str| line.starts_with("COPY ") || names(line);
    let context = refused.r#where().and_then(|context| context.lines().find(told));
    for more in [refused.detail(), refused.hint(), context].into_iter().flatten() {
        message.push_str("; ");
        message.push_str(more);
    }
    Fault { message, code, byte, class }
}

/// The words of an error that hold no URL and so no password.
pub(super) fn without_url(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(_) => "the URL cannot be used".to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        sqlx::Error::Protocol(why) => format!("the server's answer was not understood: {why}"),
        _ => "the connection was closed".to_owned(),
    }
}
