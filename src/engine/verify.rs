//! A checking server: a real server that is asked whether a statement is well formed. It never runs one.
//!
//! PostgreSQL: in a transaction that has failed already, the server still parses what it is to prepare and then says
//! that the transaction is aborted (`exec_parse_message` in its source). MySQL and MariaDB: the statement is prepared
//! and never executed. A role without rights is enough; in MySQL and MariaDB it needs an empty database to be in. Knows which errors are about form; refuses to read files.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::mysql::{MySqlConnection, MySqlDatabaseError};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError, PgErrorPosition};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, SqlSafeStr as _};
use tokio::runtime::Runtime;

use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::engine::mysql;
use crate::sql::verdict::Answer;

/// How long the server may take to answer, for each statement and for the connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a checking server.
pub struct Checker {
    runtime: Runtime,
    connection: Connection,
    /// How it was reached, to reach it again.
    url: String,
    flavour: Flavour,
    /// Why it is not asked any more.
    silent: Option<String>,
}

/// What is said of a URL without a database.
const NO_DATABASE: &str = "its URL names no database; make an empty one and let the role use it: CREATE DATABASE \
                           schemagate_check; GRANT SELECT ON schemagate_check.* TO checker";

enum Connection {
    Postgres(Box<PgConnection>),
    Mysql(Box<MySqlConnection>),
}

/// Errors of MySQL and MariaDB that say that a statement is not well formed: syntax error, and what their grammars
/// refuse with a number of its own (unknown type, wrong place of a clause, values of partitions and the like).
const MALFORMED: [u16; 9] = [1064, 1149, 1221, 1479, 1791, 4081, 4161, 4162, 4177];

impl Checker {
    /// Connects to a server. What goes wrong never names the URL.
    ///
    /// # Errors
    /// Why it cannot be asked.
    pub fn connect(url: &str, flavour: Flavour) -> Result<Self, String> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let connection = reach(&runtime, url, flavour)?;
        Ok(Self { runtime, connection, url: url.to_owned(), flavour, silent: None })
    }

    /// Asks about one statement.
    pub fn ask(&mut self, text: &str) -> Answer {
        if self.silent.is_some() {
            return Answer::Silent;
        }
        let connection = &mut self.connection;
        let asking = async { tokio::time::timeout(PATIENCE, prepare(connection, text)).await };
        let why = match self.runtime.block_on(asking) {
            Ok(Ok(answer)) => return answer,
            // MySQL answers a role without rights that prepares SET PERSIST with a packet that belongs to no answer
            // (measured on 8.0 to 9.7); what comes behind it on this connection could be anything.
            Ok(Err(sqlx::Error::Protocol(_))) => match reach(&self.runtime, &self.url, self.flavour) {
                Ok(connection) => {
                    self.connection = connection;
                    return Answer::Silent;
                }
                Err(why) => why,
            },
            Ok(Err(error)) => without_url(&error),
            Err(_) => too_slow(),
        };
        self.silent = Some(why);
        Answer::Silent
    }

    /// Says why it stopped answering, if it did.
    pub fn silent(&self) -> Option<&str> {
        self.silent.as_deref()
    }
}

fn too_slow() -> String {
    format!("it did not answer within {} s", PATIENCE.as_secs())
}

/// Connects, or says why not.
fn reach(runtime: &Runtime, url: &str, flavour: Flavour) -> Result<Connection, String> {
    match runtime.block_on(async { tokio::time::timeout(PATIENCE, connect(url, flavour)).await }) {
        Ok(connected) => connected.map_err(|error| without_url(&error)),
        Err(_) => Err(too_slow()),
    }
}

async fn connect(url: &str, flavour: Flavour) -> sqlx::Result<Connection> {
    if flavour.dialect == Dialect::Postgres {
        let options = PgConnectOptions::from_str(url)?.statement_cache_capacity(0).disable_statement_logging();
        let mut connection = PgConnection::connect_with(&options).await?;
        connection.execute("BEGIN").await?;
        // Every database knows the division; from here on nothing can run.
        let failed = connection.execute("SELECT 1/0").await.err();
        let code = failed.as_ref().and_then(|error| error.as_database_error()?.code());
        if code.as_deref() != Some("22012") {
            return Err(failed.unwrap_or(sqlx::Error::PoolClosed));
        }
        return Ok(Connection::Postgres(Box::new(connection)));
    }
    let options = mysql::options(url)?;
    // Without a database the server stops reading at the first name.
    if options.get_database().is_none_or(str::is_empty) {
        return Err(sqlx::Error::Configuration(NO_DATABASE.into()));
    }
    let mut connection = MySqlConnection::connect_with(&options).await?;
    let modes = [("ANSI_QUOTES", flavour.ansi_quotes), ("NO_BACKSLASH_ESCAPES", flavour.no_backslash_escapes)];
    let modes: Vec<&str> = modes.iter().filter(|(_, set)| *set).map(|(mode, _)| *mode).collect();
    let set = format!("SET SESSION sql_mode = '{}'", modes.join(","));
    connection.execute(AssertSqlSafe(set).into_sql_str()).await?;
    Ok(Connection::Mysql(Box::new(connection)))
}

/// Prepares a statement; the outer error says that the server itself failed.
async fn prepare(connection: &mut Connection, text: &str) -> sqlx::Result<Answer> {
    let sql = AssertSqlSafe(text.to_owned()).into_sql_str();
    let error = match connection {
        Connection::Postgres(connection) => connection.prepare(sql).await.err(),
        Connection::Mysql(connection) => connection.prepare(sql).await.err(),
    };
    let Some(error) = error else { return Ok(Answer::Accepted) };
    let sqlx::Error::Database(refused) = &error else { return Err(error) };
    if let Some(refused) = refused.try_downcast_ref::<PgDatabaseError>() {
        return Ok(of_postgres(refused, text));
    }
    match refused.try_downcast_ref::<MySqlDatabaseError>() {
        Some(refused) => Ok(of_mysql(refused, text)),
        None => Err(error),
    }
}

/// Where the transaction is all that is wrong, the parser had no objection.
fn of_postgres(refused: &PgDatabaseError, text: &str) -> Answer {
    if refused.code() == "25P02" {
        return Answer::Accepted;
    }
    // Its parser raises these classes; whatever else it says (shutdown, time, memory) is no verdict.
    if !["42", "0A", "22"].iter().any(|class| refused.code().starts_with(class)) {
        return Answer::Silent;
    }
    let character = match refused.position() {
        Some(PgErrorPosition::Original(character)) => Some(character),
        _ => None,
    };
    let byte = character.map(|character| text.char_indices().nth(character - 1).map_or(text.len(), |(at, _)| at));
    Answer::Rejected { byte, message: refused.message().to_owned() }
}

/// Errors that come after a statement was read to its end: tables and routines that are missing or that the role may
/// not use, and kinds of statements that cannot be prepared. All others may come in the middle of reading.
const READ: [u16; 8] = [1142, 1143, 1146, 1227, 1295, 1305, 1370, 1419];

fn of_mysql(refused: &MySqlDatabaseError, text: &str) -> Answer {
    if READ.contains(&refused.number()) {
        return Answer::Accepted;
    }
    if !MALFORMED.contains(&refused.number()) {
        return Answer::Silent;
    }
    let message = refused.message();
    Answer::Rejected { byte: place(message, text), message: shortened(message) }
}

/// The byte where the text stands that the server shows: `... near 'TEXT' at line N`.
pub(super) fn place(message: &str, text: &str) -> Option<usize> {
    let (before, line) = message.rsplit_once("' at line ")?;
    let near = before.split_once(" near '")?.1;
    let above = line.trim().parse::<usize>().ok()?.checked_sub(1)?;
    if near.is_empty() {
        return Some(text.len());
    }
    let start: usize = text.split_inclusive('\n').take(above).map(str::len).sum();
    // The server shows at most 80 characters; the text may end in them.
    let shown: String = near.chars().take(60).collect();
    text.get(start..)?.find(shown.as_str()).map(|at| start + at)
}

fn shortened(message: &str) -> String {
    let near = message.split_once(" near '").map(|(_, near)| near.split(['\n', '\r']).next().unwrap_or_default());
    match near {
        Some(near) => {
            let near: String = near.split("' at line ").next().unwrap_or_default().chars().take(40).collect();
            if near.is_empty() {
                "syntax error at the end of the statement".to_owned()
            } else {
                format!("syntax error near `{}`", near.trim_end())
            }
        }
        None => message.to_owned(),
    }
}

/// The words of an error that hold no URL and so no password.
fn without_url(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(why) if why.to_string() == NO_DATABASE => NO_DATABASE.to_owned(),
        sqlx::Error::Configuration(_) => "its URL cannot be used".to_owned(),
        sqlx::Error::Database(refused) => refused.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        _ => "the connection was lost".to_owned(),
    }
}
