//! What a session of PostgreSQL would have in `psql`, and what puts it back to that.
//!
//! Refuses to run scripts.

use std::borrow::Cow;

use crate::config::Dialect;
use crate::engine::Terms;
use crate::engine::postgres::Postgres;
use crate::engine::record::text;
use crate::engine::wire::Wire as _;

impl Postgres {
    /// Lets what concerns the history run with our own rights, not with those of the role that scripts have here. All of a
    /// message is one transaction, so the role stays what it was if a part fails.
    pub(super) fn with_own_rights<'s>(&self, sql: &'s str) -> Cow<'s, str> {
        match &self.role {
            Some(role) if sql.contains(self.prefix().trim_end_matches('.')) => {
                Cow::Owned(format!("RESET ROLE; {sql}; SET ROLE {role}"))
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
}
