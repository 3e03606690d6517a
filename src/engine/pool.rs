//! Pools of connections before PostgreSQL: those that change the session are found out before a lock is trusted.
//!
//! Refuses to lock anything.

use std::time::Duration;

use sqlx::Connection as _;

use crate::engine::Trouble;
use crate::engine::postgres::{Postgres, fault, open};
use crate::engine::postgres_session::explain;
use crate::engine::wire::texts;

impl Postgres {
    /// Refuses a pool that gives every transaction another session: session locks are void there.
    ///
    /// Directly connected, our session keeps its process and a second connection has another one, also while the second
    /// one is in a transaction.
    pub(super) fn look_for_a_pool(&mut self) -> Result<(), Trouble> {
        let pid = "SELECT pg_catalog.pg_backend_pid()";
        let first = self.cell(pid)?;
        let mut second = open(&self.runtime, &self.options, Duration::from_secs(10))?;
        let mut ask = |sql: &'static str| {
            let rows = self.runtime.block_on(sqlx::raw_sql(sql).fetch_all(&mut second));
            rows.and_then(|rows| texts!(rows)).map_err(|error| explain(&fault(&error, "")))
        };
        ask("BEGIN")?;
        let other = ask(pid)?.into_iter().flatten().flatten().next().unwrap_or_default();
        let again = self.cell(pid)?;
        let _ = self.runtime.block_on(second.close());
        if first == again && other != first && self.cell(pid)? == first {
            return Ok(());
        }
        Err(Trouble::new(
            "this URL leads to a pool of connections that changes the session with each transaction (such as pgbouncer \
             with pool_mode = transaction): no lock holds there, so two rollouts could run at once",
            "let the URL of this target name the database server itself",
        ))
    }
}
