//! A session for scripts that come behind others.
//!
//! What a file told its session ends with it. Most files tell nothing, and after them the next one goes on in the same
//! session, even in the transaction that the commit of the one before began. Refuses to trust what it does not know: any
//! doubt costs a message, and no more.

use crate::config::Dialect;
use crate::engine::remains::ask_about_before;
use crate::engine::run::Runner;
use crate::engine::wire::Wire;
use crate::engine::{Script, Session as _, Terms, Trouble};

impl<W: Wire> Runner<W> {
    /// Gets a session for scripts, and finds out whether the next ones may go on in it.
    pub(super) fn session_for(&mut self, scripts: &[Script]) -> Result<(), Trouble> {
        let dialect = self.wire.dialect();
        // In SQLite, which has its history in the same connection, the making of that is something before, too.
        let before = dialect == Dialect::Sqlite || !self.ours.is_empty();
        self.used |= before && scripts.iter().any(|script| ask_about_before(&script.statements));
        self.fresh_session()?;
        let quiet = scripts.iter().all(|script| script.leaves_the_session(dialect));
        // A large catalogue takes a while to be looked through: not for a file that is the only one.
        let worth = dialect == Dialect::Sqlite || scripts.len() > 1 || !self.ours.is_empty();
        if quiet && worth && self.routines_tell.is_none() {
            self.unchain()?;
            self.routines_tell = Some(self.wire.routines_tell().map_err(|fault| self.explain(&fault))?);
        }
        self.tame = quiet && self.routines_tell == Some(false);
        self.used = !self.tame;
        let unsure = dialect != Dialect::Sqlite && self.routines_tell == Some(false);
        if unsure && scripts.iter().any(|script| script.makes_ways(dialect)) {
            self.routines_tell = None;
        }
        // What it makes may leave the same later.
        self.stays |= dialect == Dialect::Postgres && scripts.iter().any(Script::stays);
        self.may_stay |= dialect == Dialect::Postgres && scripts.iter().any(Script::may_stay);
        Ok(())
    }

    /// Where a script may have left something in the session, the next one gets a new session, under the same lock or
    /// one that is taken again: then nobody must have been at work in between.
    pub(super) fn fresh_session(&mut self) -> Result<(), Trouble> {
        if self.used {
            self.another_session()?;
            self.used = false;
        }
        Ok(())
    }

    /// Until that is done what the session says is not believed.
    fn another_session(&mut self) -> Result<(), Trouble> {
        self.unchain()?;
        (self.settled, self.reads_alike) = (None, false);
        // A routine may have left something too.
        let may_stay = std::mem::take(&mut self.may_stay) || self.routines_tell != Some(false);
        let settles = self.wire.settles_all() && !self.stays;
        let gives_back = settles && (!may_stay || self.wire.gives_back().unwrap_or(false));
        // A session may have been told to refuse even that.
        if gives_back && self.wire.settle(&Terms::default()).is_ok() || self.wire.renew().unwrap_or(false) {
            return Ok(());
        }
        self.wire.reopen()?;
        if self.wire.keeps_lock() {
            return Ok(());
        }
        let known = std::mem::take(&mut self.seen);
        self.used = false;
        self.lock(self.wait, &mut |_| {})?;
        let rows = self.history()?;
        let mut theirs = rows.iter().filter(|row| !self.ours.contains(&row.seq));
        if theirs.any(|row| known.get(&row.seq) != Some(&row.reached())) {
            return Err(Trouble::new("somebody else applied migrations to this database", "schemagate sync"));
        }
        Ok(())
    }
}
