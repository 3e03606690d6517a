//! MySQL and MariaDB: one connection, a named lock, definitions that commit by themselves.
//!
//! Knows their settings, errors and locks. Facts are those of the manuals and were measured on MariaDB 10.11.

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::runtime::Runtime;

use crate::config::Dialect;
use crate::config::flavour::Release;
use crate::engine::apart::Tables;
use crate::engine::handover::{HANDED, LONGEST, Words, asks, hand_over};
use crate::engine::mysql_session::{NO_NUMBER, insertion, lock_name, setting};
use crate::engine::patience::again;
use crate::engine::postgres::without_url;
use crate::engine::record::{Writer, text};
use crate::engine::routines;
use crate::engine::run::{Runner, gone};
use crate::engine::url_options::{ODD, Options, look};
use crate::engine::verify::place;
use crate::engine::watch::{alive, wait};
use crate::engine::ways::{TEXTS, ways};
use crate::engine::wire::{
    Class, Fault, OWN_AUTHORITY, REOPEN, Rows, Tick, Wire, connected, is_about_tls, joint, over_sqlx, runtime, texts,
};
use crate::engine::{Access, Connecting, ScriptStatement, Session, Terms, Trouble, tables};
use crate::history::Row;

/// What a URL may say.
const URL: Options = Options {
    names: &[
        "sslmode",
        "ssl-mode",
        "sslca",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "charset",
        "collation",
        "socket",
    ],
    files: &["sslca", "ssl-ca", "sslcert", "ssl-cert", "sslkey", "ssl-key"],
    mode: &["sslmode", "ssl-mode"],
    modes: &["disabled", "preferred", "required", "verify_ca", "verify_identity"],
};

/// Opens a database; see [`crate::engine::Engine::connect`].
///
/// # Errors
/// If the URL cannot be used, or the server does not let us in.
pub fn connect(url: &str, how: &Connecting<'_>) -> Result<Box<dyn Session>, Trouble> {
    let runtime = runtime()?;
    look(url, &URL)?;
    let help = format!("write mariadb://user@host:3306/database (or mysql://...); {ODD}");
    let dialect = if url.starts_with("mariadb:") { Dialect::Mariadb } else { Dialect::Mysql };
    let options = options(url).map_err(|_| Trouble::new("the URL cannot be used", help.as_str()))?;
    let database = options.get_database().filter(|name| !name.is_empty());
    let database = database.ok_or_else(|| Trouble::new("the URL names no database", help.as_str()))?.to_owned();
    let connection = open(&runtime, &options, how.wait)?;
    let prefix = format!("`{}`.", database.replace('`', "``"));
    let session = how.session.iter().map(|(name, value)| setting(name, value, dialect)).collect();
    let lock = String::new();
    let mut wire = Mysql { runtime, connection, options, dialect, lock, process: 0, prefix, release: None, session };
    wire.introduce(how.access)?;
    Ok(Box::new(Runner::new(wire, how.wait)))
}

/// Reads a URL. The library's own settings are not those of the servers' clients.
///
/// # Errors
/// If it cannot be read.
pub(super) fn options(url: &str) -> sqlx::Result<MySqlConnectOptions> {
    let options = MySqlConnectOptions::from_str(&url.replacen("mariadb:", "mysql:", 1))?
        .statement_cache_capacity(0)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .disable_statement_logging();
    // As the clients do: a socket of this machine is not encrypted, unless that is asked for.
    let plain = options.get_socket().is_some() && matches!(options.get_ssl_mode(), MySqlSslMode::Preferred);
    Ok(if plain { options.ssl_mode(MySqlSslMode::Disabled) } else { options })
}

fn open(runtime: &Runtime, options: &MySqlConnectOptions, patience: Duration) -> Result<MySqlConnection, Trouble> {
    connected(runtime, patience, MySqlConnection::connect_with(options))?.map_err(|error| explain(&fault(&error, "")))
}

/// The question that has a row while the session of a process is there; of process 0 always.
fn is_there(process: u64) -> String {
    format!("SELECT 1 FROM information_schema.processlist WHERE id = {process} OR {process} = 0 LIMIT 1")
}

pub(super) struct Mysql {
    runtime: Runtime,
    connection: MySqlConnection,
    options: MySqlConnectOptions,
    pub(super) dialect: Dialect,
    lock: String,
    /// The number of our connection.
    process: u64,
    pub(super) prefix: String,
    /// The release of the server, as it says.
    release: Option<Release>,
    /// Settings of the server file.
    pub(super) session: Vec<String>,
}

impl Mysql {
    fn cells(&mut self, sql: &str) -> Result<Vec<Option<String>>, Trouble> {
        let rows = self.ask(sql).map_err(|fault| explain(&fault))?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// What is looked at: the product, how it reads names, and before anything is written a replica and a cluster.
    fn introduce(&mut self, access: Access) -> Result<(), Trouble> {
        let cells = self.cells("SELECT VERSION(), @@GLOBAL.read_only, @@lower_case_table_names")?;
        let cell = |at: usize| cells.get(at).cloned().flatten().unwrap_or_default();
        self.release = Release::of_server(&cell(0));
        self.lock = lock_name(&self.schema(), cell(2) != "0");
        let real = if cell(0).to_ascii_lowercase().contains("mariadb") { Dialect::Mariadb } else { Dialect::Mysql };
        if real != self.dialect {
            let scheme = real.word();
            return Err(Trouble::new(
                format!("this server is {} ({}), the URL says {}", real.title(), cell(0), self.dialect.title()),
                format!("write {scheme}://... in the server file, and dialect = \"{scheme}\" in the manifest"),
            ));
        }
        if access == Access::Read {
            return Ok(());
        }
        let cluster = self.ask("SELECT @@wsrep_on").ok().and_then(|rows| rows.into_iter().flatten().flatten().next());
        if cluster.is_some_and(|on| on == "1") {
            return Err(Trouble::new(
                "this server is a node of a Galera cluster, whose nodes do not share named locks",
                "two rollouts on two nodes could run at once; this version does not apply to clusters",
            ));
        }
        let several = "SELECT @@GLOBAL.group_replication_single_primary_mode, count(*) FROM \
                       performance_schema.replication_group_members WHERE member_state = 'ONLINE'";
        // Who has no such plugin has no such variable.
        let group = self.ask(several).ok().and_then(|rows| rows.into_iter().next()).unwrap_or_default();
        if matches!(group.as_slice(), [Some(single), Some(members)] if single == "0" && members != "0") {
            return Err(Trouble::new(
                "this server is one of several primaries of a replication group, which do not share named locks",
                "two rollouts on two of them could run at once; this version applies to groups with a single primary only",
            ));
        }
        if cell(1) == "1" {
            return Err(Trouble::new(
                "this server is read-only (a replica?)",
                "let the URL of this target name the primary server",
            ));
        }
        Ok(())
    }
}

impl Wire for Mysql {
    over_sqlx!(MySqlConnection);

    fn locked_by(&self, process: i64) -> String {
        format!("SELECT 1 FROM DUAL WHERE IS_USED_LOCK('{}') = {process}", self.lock)
    }

    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn has_history(&mut self) -> Result<bool, Fault> {
        let name = self.schema();
        let sql = format!(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = {} AND table_name = '{}'",
            text(&name, self.dialect),
            tables::META.name
        );
        Ok(!self.ask(&sql)?.is_empty())
    }

    fn add(&mut self, writer: &Writer, row: &Row, condition: &str) -> Result<u64, Fault> {
        match self.tell(&insertion(writer, row, condition)) {
            Err(fault) if fault.code == NO_NUMBER => Ok(0),
            done => done,
        }
    }

    fn run(&mut self, statement: &ScriptStatement, _terms: &Terms, tick: Tick<'_>) -> Result<(), Fault> {
        let sql = sqlx::raw_sql(AssertSqlSafe(statement.text.clone()));
        let alive = async || alive::<MySqlConnection>(&self.options, is_there(self.process)).await;
        let ran = wait(&self.runtime, tick, alive, sql.execute(&mut self.connection));
        ran.map(|_| ()).map_err(|error| fault(&error, &statement.text))
    }

    fn begin(&mut self, terms: &Terms, fresh: bool, then: &str) -> Result<u64, Fault> {
        let settings = if fresh { format!("{}; ", self.settings(terms)) } else { String::new() };
        let isolation = match &terms.isolation {
            Some(level) => format!("SET TRANSACTION ISOLATION LEVEL {level}; "),
            None => String::new(),
        };
        self.tell(&format!("{settings}{isolation}START TRANSACTION{}{then}", joint(then)))
    }

    fn take_back(&mut self) -> bool {
        // A script may have told its session to keep no warnings.
        let _ = self.tell("SET max_error_count = DEFAULT, sql_select_limit = DEFAULT; ROLLBACK");
        // 1196: some changed tables without transactions could not be rolled back (manual, "Error Message Reference").
        let warnings = self.ask("SHOW WARNINGS").unwrap_or_default();
        warnings.iter().any(|row| row.get(1).is_some_and(|code| code.as_deref() == Some("1196")))
    }

    fn tables(&mut self) -> Result<Tables, Fault> {
        let without = |schema: &str| {
            format!(
                "SELECT lower(t.table_schema), lower(t.table_name) FROM information_schema.tables t JOIN \
                 information_schema.engines e ON e.engine = t.engine WHERE t.table_schema {schema} AND t.table_type = 'BASE \
                 TABLE' AND coalesce(e.transactions, 'NO') <> 'YES'"
            )
        };
        let texts = self.ask(TEXTS)?;
        let ways = ways(texts, &self.schema(), self.dialect);
        let others: BTreeSet<&String> = ways.values().flatten().collect();
        let others: Vec<String> = others.into_iter().map(|name| text(name, self.dialect)).collect();
        let column = |rows: Rows, at: usize| -> BTreeSet<String> {
            rows.into_iter().filter_map(|mut row| (at < row.len()).then(|| row.swap_remove(at)).flatten()).collect()
        };
        let mut names = column(self.ask(&without("= DATABASE()"))?, 1);
        let bad = match others.as_slice() {
            [] => BTreeSet::new(),
            others => column(self.ask(&without(&format!("IN ({})", others.join(", "))))?, 0),
        };
        // Through any of them a table of this database may be reached.
        let here = !names.is_empty();
        let leads = |to: &BTreeSet<String>| to.iter().any(|name| bad.contains(&name.to_lowercase()));
        names.extend(ways.into_iter().filter(|(_, to)| here || leads(to)).map(|(table, _)| table));
        let usual = self.ask("SELECT @@default_storage_engine")?.into_iter().flatten().flatten().next();
        let by_default = !usual.is_some_and(|engine| engine.eq_ignore_ascii_case("InnoDB"));
        Ok(Tables { without: names, by_default })
    }

    fn place_of_data(&mut self) -> Result<String, Fault> {
        let server =
            if self.dialect == Dialect::Mariadb { "concat(@@server_id, ' ', @@datadir)" } else { "@@server_uuid" };
        let cells = self.ask(&format!("SELECT {server}, DATABASE()"))?;
        Ok(cells.into_iter().flatten().flatten().collect::<Vec<_>>().join(" "))
    }

    fn tables_of_others(&self) -> String {
        "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name NOT LIKE \
         'schemagate|_%' ESCAPE '|' LIMIT 1"
            .to_owned()
    }

    fn routines_tell(&mut self) -> Result<bool, Fault> {
        self.ask(&routines::mysql(&self.schema(), self.dialect)).map(|rows| !rows.is_empty())
    }

    fn release(&self) -> Option<Release> {
        self.release
    }

    fn reading(&self) -> Option<&'static str> {
        // With LIMIT a session that was told to give no rows gives one.
        Some("SELECT @@sql_mode, @@character_set_client LIMIT 1")
    }

    /// The new session stands in line for the lock before the old one gives it up, and who only asks whether it is free is
    /// always told that it is not.
    fn renew(&mut self) -> Result<bool, Trouble> {
        if self.process == 0 {
            return Ok(false);
        }
        let Ok(mut next) = open(&self.runtime, &self.options, REOPEN) else {
            // A user may have one connection only: then the old one ends first.
            let _ = self.tell(&format!("KILL {}", self.process));
            return Ok(false);
        };
        let waits = |process| {
            format!("SELECT 1 FROM information_schema.processlist WHERE id = {process} AND state = 'User lock' LIMIT 1")
        };
        let limit = if self.dialect == Dialect::Mariadb { "max_statement_time" } else { "max_execution_time" };
        let words = Words {
            who: "SELECT CONNECTION_ID()",
            take: &format!("SELECT GET_LOCK('{}', {HANDED})", self.lock),
            taken: "1",
            waits: &waits,
            // Who gives no rows does not even DO anything in MySQL.
            before: &format!(
                "SET {limit} = 0, sql_select_limit = DEFAULT, max_join_size = DEFAULT, sql_big_selects = 1"
            ),
            give: &format!("DO RELEASE_LOCK('{}')", self.lock),
        };
        let handing = hand_over(&words, asks!(self.connection), asks!(next));
        match self.runtime.block_on(async { tokio::time::timeout(LONGEST, handing).await }) {
            Ok(Ok(Some(process))) => {
                (self.connection, self.process) = (next, process);
                Ok(true)
            }
            Ok(Ok(None)) => Err(explain(&gone())),
            // The old session does not answer any more: what a lost connection needs is done.
            Ok(Err(_)) | Err(_) => Ok(false),
        }
    }

    fn without_limit(&self) -> &'static str {
        if self.dialect == Dialect::Mariadb { "SET max_statement_time = 0; " } else { "" }
    }

    fn seal(&self) -> &'static str {
        "; COMMIT"
    }

    fn try_lock(&mut self) -> Result<Result<(), String>, Trouble> {
        let lock = &self.lock.clone();
        // The one before may have ended.
        self.process = 0;
        let got = self.cells(&format!("SELECT GET_LOCK('{lock}', 0), CONNECTION_ID()"))?;
        self.process = got.get(1).cloned().flatten().and_then(|id| id.parse().ok()).unwrap_or(0);
        match got.first().cloned().flatten().as_deref() {
            Some("1") => return Ok(Ok(())),
            Some(_) => {}
            None => {
                let message = "the server could not give a named lock (GET_LOCK answered NULL)";
                return Err(Trouble::new(message, "look into the server's error log; then run schemagate sync"));
            }
        }
        let holder = self.cells(&format!(
            "SELECT concat(user, ' from ', host, ' (connection ', id, ')') FROM information_schema.processlist WHERE id = \
             IS_USED_LOCK('{lock}')"
        ))?;
        Ok(Err(holder.into_iter().flatten().next().unwrap_or_else(|| "another connection".to_owned())))
    }

    fn condition(&self, _in_transaction: bool, tame: bool) -> String {
        // The lock belongs to the session: while that is the same one, only a statement can have released it.
        if tame {
            return format!("CONNECTION_ID() = {}", self.process);
        }
        format!("IS_USED_LOCK('{}') = CONNECTION_ID()", self.lock)
    }
}

/// Takes an error of the library apart; its place counts in `sql`.
fn fault(error: &sqlx::Error, sql: &str) -> Fault {
    let sqlx::Error::Database(refused) = error else {
        return Fault::new(Class::Lost, without_url(error));
    };
    let Some(refused) = refused.try_downcast_ref::<MySqlDatabaseError>() else {
        return Fault::new(Class::Refused, error.to_string());
    };
    let class = match refused.number() {
        // Waiting for a lock took too long; deadlock; the row changed under a snapshot of MariaDB.
        1205 | 1213 | 1020 => Class::Busy,
        // The server stops; the connection was killed, or closed because it was idle.
        1053 | 1077 | 1079 | 1080 | 1927 | 4031 => Class::Lost,
        _ => Class::Refused,
    };
    let message = refused.message().to_owned();
    Fault { byte: place(&message, sql), message, code: refused.number().to_string(), class }
}

fn explain(fault: &Fault) -> Trouble {
    let help = match fault.code.as_str() {
        "1045" | "1698" => "check user and password of the URL, and from which hosts the user may come",
        "1049" => "create the database first, or mend its name in the URL",
        "1040" | "1203" => {
            "the server has no connection left; end some or raise max_connections, then run schemagate sync"
        }
        "1044" | "1142" | "1227" => {
            "grant the user of this URL what it lacks (or create the database, if there is none): its migrations' rights, and CREATE, ALTER, SELECT, \
                                     INSERT, UPDATE and DELETE for the history tables"
        }
        // Of many options; "--read-only", "--super-read-only", and "read_only" of MySQL 8.0.
        "1290" | "1836" if ["read-only", "read_only"].iter().any(|word| fault.message.contains(word)) => {
            "the server is read-only; let the URL name the primary server"
        }
        "1021" | "1114" => "the disk of the server is full; free some space and run schemagate sync",
        "" if fault.message.contains("CaUsedAsEndEntity") => OWN_AUTHORITY,
        "" if is_about_tls(&fault.message) => "check the certificate of the server and ssl-mode and ssl-ca of the URL",
        "" if fault.class == Class::Lost => {
            "check host and port of the URL and whether the server runs; then run schemagate sync"
        }
        _ => "the message is the database's own",
    };
    Trouble::new(fault.message.clone(), help)
}
