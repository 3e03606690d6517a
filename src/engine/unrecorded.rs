//! After our own record of what ran was refused or lost: the history says what is.
//!
//! Refuses to run scripts, and to say of what it cannot see that it is not there.

use std::fmt::Write as _;
use std::time::Duration;

use crate::engine::aftermath::{named, nothing_stays, ran, stands};
use crate::engine::record;
use crate::engine::remedy::{OF_NO_FILE, remedy};
use crate::engine::run::Runner;
use crate::engine::wire::{Class, Fault, Wire};
use crate::engine::{MEND, Outcome, Provenance, Script, Session as _, Terms, Trouble};
use crate::history::{Mode, Row, State};

impl<W: Wire> Runner<W> {
    /// Says whether it was the settings of the session that were refused, before anything ran: they are so each time.
    pub(super) fn refuses_settings(&mut self, fault: &Fault) -> bool {
        let same = |again: Fault| (again.code, again.message) == (fault.code.clone(), fault.message.clone());
        fault.class == Class::Refused && self.wire.settle(&Terms::default()).is_err_and(same)
    }

    /// Our record was refused. Where files ran in one transaction all of it is taken back; what a file told its session may
    /// be why, and then it is so each time.
    pub(super) fn after_refused_record(
        &mut self,
        scripts: &[Script],
        who: &Provenance,
        fault: &Fault,
    ) -> Result<Outcome, Trouble> {
        let index = self.at.min(scripts.len() - 1);
        let script = &scripts[index];
        let (row, left) = if script.mode == Mode::Journal {
            let refused = matches!(fault.class, Class::Refused | Class::Busy);
            // The session may refuse to read, too.
            let rows = if refused { self.history().or_else(|_| self.recover()).ok() } else { None };
            let begun = rows.iter().flatten().find(|row| row.place() == script.migration.place());
            // Without a row of this run nothing of it ran: that is no failure of the file.
            let Some(begun) = begun.filter(|row| row.state == State::Running) else {
                return self.after_lost_record(scripts, fault);
            };
            let (done, open) = (begun.statements_done, begun.statement_open);
            let row = Row { statement_open: open, ..record::row(script, who, State::Failed, done) };
            let fate = if open > done { "; whether the next one took effect, the next run finds out" } else { "" };
            (row, format!("{}{fate}", ran(done)))
        } else {
            if self.history().map_or(true, |rows| scripts.iter().all(|script| stands(&rows, script))) {
                return self.after_lost_record(scripts, fault);
            }
            (record::row(script, who, State::Failed, 0), nothing_stays(scripts.len()))
        };
        let last = script.statements.len().max(1) - 1;
        let number = if script.mode == Mode::Journal { row.statements_done.min(last) } else { last };
        let message = format!("what this file did could not be recorded: {}", fault.message);
        let error = record::error(script, number, None, message, fault.code.clone());
        let (mut left, row_done) = (left, row.statements_done);
        if let Err(fault) = self.record_failure(Row { error: Some(error.clone()), ..row }, &error) {
            let _ = write!(left, "; this could not be recorded ({})", fault.message);
        }
        let help = match remedy(fault, "").filter(|_| OF_NO_FILE.contains(&fault.code.as_str())) {
            Some(remedy) => format!("{remedy}; then schemagate sync"),
            None if row_done == 0 => format!("if a statement of the file changes its session, take that out: {MEND}"),
            // What ran is not edited, and a new session is told it again.
            None => format!(
                "if an earlier statement changes its session, say from which one on the file may be mended: schemagate \
                 resolve {} --from NUMBER; then take it out and push",
                named(script)
            ),
        };
        Ok(Outcome::Failed { script: index, error, left, help })
    }

    /// Our own bookkeeping or the commit failed: the history decides whether the work is there.
    pub(super) fn after_lost_record(&mut self, scripts: &[Script], fault: &Fault) -> Result<Outcome, Trouble> {
        let known = if fault.class == Class::Lost { None } else { self.history().ok() };
        let rows = match known {
            Some(rows) => rows,
            None => self.recover().map_err(|trouble| {
                let message = format!(
                    "the connection was lost while the file was recorded ({}), and the database does not answer: {}",
                    fault.message, trouble.message
                );
                Trouble::new(message, "schemagate sync: it looks into the history first, so nothing runs twice")
            })?,
        };
        if scripts.iter().all(|script| stands(&rows, script)) {
            return Ok(Outcome::Applied(vec![Duration::ZERO; scripts.len()]));
        }
        let message = self.explain(fault).message;
        let damaged = fault.class == Class::Refused && fault.message.contains("schemagate_");
        let help = match remedy(fault, "") {
            None if damaged => "restore the tables of the history (schemagate_...) from a backup; then ".to_owned(),
            None => String::new(),
            Some(remedy) => format!("{remedy}; then "),
        };
        let left = if scripts.iter().any(|script| script.mode == Mode::Journal) {
            "the history has the statements that it says; whether the one begun behind them took effect, the next run \
             finds out"
        } else {
            "the history says that it is not applied: nothing of its last transaction stays"
        };
        Err(Trouble::new(format!("{message}; {left}"), format!("{help}schemagate sync")))
    }
}
