//! What a session of PostgreSQL would have in `psql`, and what puts it back to that.
//!
//! Refuses to run scripts.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use tokio::runtime::Runtime;

use crate::config::Dialect;
use crate::engine::handover::{HANDED, LONGEST, Words, asks, hand_over};
use crate::engine::postgres::{LOCK_CLASS, Postgres, open};
use crate::engine::record::text;
use crate::engine::url_options::Options;
use crate::engine::wire::{Class, Fault, OWN_AUTHORITY, REOPEN, Wire as _, is_about_tls};
use crate::engine::{ScriptStatement, Terms, Trouble};
use crate::text::begins;

/// What a URL may say.
pub(super) const URL: Options = Options {
    names: &[
        "sslmode",
        "ssl-mode",
        "sslrootcert",
        "ssl-root-cert",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "application_name",
        "options",
    ],
    files: &["sslrootcert", "ssl-root-cert", "ssl-ca", "sslcert", "ssl-cert", "sslkey", "ssl-key"],
    mode: &["sslmode", "ssl-mode"],
    modes: &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
};

/// The question how the session reads text.
pub(super) const READING: &str = "SELECT pg_catalog.current_setting('standard_conforming_strings'), \
                                  pg_catalog.current_setting('client_encoding')";

impl Postgres {
    /// Lets what concerns the history run with our own rights, not with those of the role that scripts have here. All of a
    /// message is one transaction, so the role stays what it was if a part fails.
    pub(super) fn as_our_own<'s>(&self, sql: &'s str) -> Cow<'s, str> {
        match &self.role {
            Some(role) if sql.contains(self.prefix().trim_end_matches('.')) => {
                Cow::Owned(format!("RESET SESSION AUTHORIZATION; {sql}; {role}"))
            }
            _ => Cow::Borrowed(sql),
        }
    }

    /// What the database, the role or the server's file set for the two settings that the library sends when it
    /// connects. Where nobody tells us, the library's stay.
    pub(super) fn usual_settings(&mut self) -> Vec<(&'static str, String)> {
        let roles = "SELECT unnest(setconfig) FROM pg_catalog.pg_db_role_setting WHERE setdatabase IN (0, (SELECT oid \
                     FROM pg_catalog.pg_database WHERE datname = current_database())) AND setrole IN (0, (SELECT oid \
                     FROM pg_catalog.pg_roles WHERE rolname = current_user)) ORDER BY setrole, setdatabase";
        let file = "SELECT name || '=' || setting FROM pg_catalog.pg_file_settings WHERE applied ORDER BY seqno";
        let mut lines = self.ask(file).unwrap_or_default();
        lines.extend(self.ask(roles).unwrap_or_default());
        let lines: Vec<String> = lines.into_iter().flatten().flatten().collect();
        ["TimeZone", "DateStyle"]
            .into_iter()
            .filter_map(|name| {
                let set = lines.iter().rev().find_map(|line| {
                    let (key, value) = line.split_once('=')?;
                    key.eq_ignore_ascii_case(name).then(|| text(value, Dialect::Postgres))
                })?;
                Some((name, set))
            })
            .collect()
    }

    /// What puts the session back to what `psql` would have, under the terms of a script.
    pub(super) fn settings(&self, terms: &Terms) -> String {
        let mut sql =
            "RESET SESSION AUTHORIZATION; RESET ALL; CLOSE ALL; UNLISTEN *; DEALLOCATE ALL; DISCARD TEMP; DISCARD SEQUENCES".to_owned();
        if !self.session.is_empty() {
            sql.push_str("; ");
            sql.push_str(&self.session);
        }
        for (name, timeout) in [("lock_timeout", terms.lock_timeout), ("statement_timeout", terms.statement_timeout)] {
            if let Some(timeout) = timeout {
                sql.push_str(&format!("; SET {name} = {}", timeout.as_millis()));
            }
        }
        sql
    }

    /// Opens a new session that has our lock in the moment in which the old one gives it up; says whether it did.
    ///
    /// # Errors
    /// If the new session cannot be used.
    pub(super) fn succeed(&mut self) -> Result<bool, Trouble> {
        let Ok(mut next) = open(&self.runtime, &self.options, REOPEN) else { return Ok(false) };
        let key = format!("{LOCK_CLASS}, {}", self.lock);
        let waits = |process| {
            format!("SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND pid = {process} AND NOT granted")
        };
        let words = Words {
            who: "SELECT pg_catalog.pg_backend_pid()",
            take: &format!(
                "SET lock_timeout = '{HANDED}s'; SELECT 't' FROM (SELECT pg_catalog.pg_advisory_lock({key})) AS l; RESET \
                 lock_timeout"
            ),
            taken: "t",
            waits: &waits,
            before: "",
            give: &format!("SELECT pg_catalog.pg_advisory_unlock({key})"),
        };
        let handing = hand_over(&words, asks!(self.connection), asks!(next));
        match self.runtime.block_on(async { tokio::time::timeout(LONGEST, handing).await }) {
            Ok(Ok(Some(process))) => {
                self.process = i32::try_from(process).unwrap_or_default();
                self.connection = next;
                self.settle(&Terms::default()).map_err(|fault| explain(&fault))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// Opens a connection; with `sslmode=allow`, which the library takes for `disable`, once more with TLS where the server
/// refuses one without (manual, "SSL Mode Descriptions").
pub(super) fn allowed(
    runtime: &Runtime,
    options: PgConnectOptions,
    patience: Duration,
) -> Result<(PgConnection, PgConnectOptions), Trouble> {
    let refused = match open(runtime, &options, patience) {
        Ok(connection) => return Ok((connection, options)),
        Err(trouble) if !matches!(options.get_ssl_mode(), PgSslMode::Allow) => return Err(trouble),
        Err(trouble) => trouble,
    };
    let options = options.ssl_mode(PgSslMode::Require);
    open(runtime, &options, patience).map(|connection| (connection, options)).map_err(|_| refused)
}

/// Explains a fault to people.
pub(super) fn explain(fault: &Fault) -> Trouble {
    let help = match fault.code.as_str() {
        // "SSL off" up to release 13.
        "28000" if ["no encryption", "SSL off"].iter().any(|words| fault.message.contains(words)) => {
            "the server lets nobody in without TLS: write sslmode=require, or better verify-full with sslrootcert"
        }
        "28P01" | "28000" => "check user and password of the URL, and pg_hba.conf of the server",
        "3D000" => "create the database first, or mend its name in the URL",
        "53300" => "the server has no connection left; end some or raise max_connections, then run schemagate sync",
        "42501" => {
            "grant the user of this URL what it lacks (CREATE on the database for the schema of the history, or \
                    set history-schema of the target to one where it may create tables)"
        }
        "22023" if fault.message.starts_with("role ") => {
            "mend `session` of this target in the server file; then schemagate sync"
        }
        "25006" => "the server or its transactions are read-only; let the URL name the primary server",
        "53100" => "the disk of the server is full; free some space and run schemagate sync",
        "57P03" | "57P01" | "57P02" => "the server is starting or stopping; run schemagate sync when it is up",
        "" if fault.message.contains("CaUsedAsEndEntity") => OWN_AUTHORITY,
        "" if is_about_tls(&fault.message) => {
            "check the certificate of the server and sslmode and sslrootcert of the URL"
        }
        "" if fault.class == Class::Lost => {
            "check host and port of the URL and whether the server runs; then run schemagate sync"
        }
        _ => "the message is the database's own",
    };
    Trouble::new(fault.message.clone(), help)
}
/// Lets a fault point at what its context names: a row of a `COPY` (`COPY t, line 3, column a`), or a line of a `DO` block
/// (`PL/pgSQL function inline_code_block line 3 at RAISE`), which counts from the one where its text begins.
pub(super) fn inside(mut fault: Fault, statement: &ScriptStatement) -> Fault {
    let number = |mark: &str| {
        let (_, behind) = fault.message.split_once(mark)?;
        let (_, line) = behind.split_once("line ")?;
        line.split(|sign: char| !sign.is_ascii_digit()).next()?.parse().ok()
    };
    let place = match &statement.rows {
        Some(_) => number("; COPY ").and_then(|row| statement.byte_of_row(row)),
        None => number("; PL/pgSQL function inline_code_block").and_then(|line| line_of_block(&statement.text, line)),
    };
    fault.byte = fault.byte.or(place);
    fault
}

/// The byte at which a line (from 1) of the block of a `DO` has its first sign.
fn line_of_block(text: &str, line: usize) -> Option<usize> {
    let opening = text.find('$')?;
    let body = opening + 1 + text.get(opening + 1..)?.find('$')? + 1;
    let start = match line.checked_sub(2) {
        None => body,
        Some(ends) => body + text.get(body..)?.match_indices('\n').nth(ends)?.0 + 1,
    };
    let blank = text.get(start..)?.find(|sign: char| !sign.is_whitespace())?;
    begins(text, "do").then_some(start + blank)
}
