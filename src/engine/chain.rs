//! Consecutive files in consecutive transactions: where nothing lies between them, the commit of one begins the next.
//!
//! That saves one of the few messages that a small file takes. Only behind scripts that surely leave their session as it
//! was, and only for one that runs under the same terms: the transaction that a commit began has the isolation of the one
//! before (manuals of PostgreSQL, MySQL and MariaDB, "COMMIT"). Refuses to let anything else happen in it: it is left first.

use crate::engine::run::Runner;
use crate::engine::wire::{Fault, Wire};
use crate::engine::{Script, Terms, Trouble};
use crate::history::Mode;

impl<W: Wire> Runner<W> {
    /// Begins the transaction of scripts under these terms, or goes on in the one that the commit before began and that was
    /// not left for them. Only what a script may have changed is put back.
    pub(super) fn open(&mut self, terms: &Terms) -> Result<(), Fault> {
        let fresh = self.settled.take().as_ref() != Some(terms);
        if std::mem::take(&mut self.chained) {
            if !fresh {
                return Ok(());
            }
            self.wire.tell("ROLLBACK")?;
        }
        self.wire.begin(terms, fresh, "").map(|_| ())
    }

    /// Commits, and nothing else; `tame` scripts may be followed by others like them.
    pub(super) fn commit(&mut self, tame: bool) -> Result<(), Fault> {
        let chain = tame && self.wire.chains();
        self.wire.tell(if chain { "COMMIT AND CHAIN" } else { "COMMIT" })?;
        self.chained = chain;
        Ok(())
    }

    /// Leaves the transaction that the last commit began, unless these scripts can run in it.
    pub(super) fn unchain_for(&mut self, scripts: &[Script]) -> Result<(), Trouble> {
        let ready = !self.used && scripts.iter().all(|script| script.mode == Mode::Transaction);
        if ready { Ok(()) } else { self.unchain() }
    }

    /// Leaves the transaction that the last commit began.
    pub(super) fn unchain(&mut self) -> Result<(), Trouble> {
        if std::mem::take(&mut self.chained) {
            self.wire.tell("ROLLBACK").map_err(|fault| self.explain(&fault))?;
        }
        Ok(())
    }
}
