//! Running scripts in one transaction with their rows: all of it becomes true, or nothing.
//!
//! Refuses to run what one transaction cannot hold.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::engine::record;
use crate::engine::run::{CLAIMED, Runner, Stop, Tell, ended, gone};
use crate::engine::wire::{Fault, Objection, Wire};
use crate::engine::{Provenance, Script};
use crate::history::{Row, State};

/// A script that ran and whose row is still to be written.
struct Recorded<'s> {
    row: Row,
    /// Whether a row of an earlier attempt may stand in its place.
    over: bool,
    /// The event that says what it suppresses.
    spared: Option<(&'static str, &'s str)>,
}

impl<W: Wire> Runner<W> {
    /// Runs scripts in one transaction with their rows.
    pub(super) fn together(
        &mut self,
        scripts: &[Script],
        who: &Provenance,
        tell: Tell<'_>,
    ) -> Result<Vec<Duration>, Stop> {
        let tame = self.tame;
        let condition = self.wire.condition(true, tame);
        let terms = scripts.first().map(|script| script.terms.clone()).unwrap_or_default();
        let limited = terms.statement_timeout.is_some();
        self.open(&terms)?;
        if self.looks {
            self.wire.learn()?;
        }
        let (mut durations, mut rows) = (Vec::new(), Vec::new());
        for (index, script) in scripts.iter().enumerate() {
            self.at = index;
            let (started, started_at) = (Instant::now(), record::now());
            for number in 0..script.statements.len() {
                self.statement(script, index, number, tell)?;
                if !self.wire.is_open()? {
                    return Err(Stop::Statement(index, number, ended()));
                }
            }
            let elapsed = started.elapsed();
            let row = record::row(script, who, State::Applied, script.statements.len());
            let duration_us = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
            let (row, over) = self.number(Row { started_at, duration_us, ..row });
            rows.push(Recorded { row, over, spared: script.spared() });
            // What took other rights must not keep them for the next script.
            if !tame {
                self.record(&mut rows, &condition, limited)?;
            }
            durations.push(elapsed);
        }
        self.record(&mut rows, &condition, limited)?;
        let last = scripts.len().saturating_sub(1);
        let end = scripts.get(last).map_or(0, |script| script.statements.len().max(1) - 1);
        match self.wire.objection()? {
            Objection::None => {}
            Objection::Unsure => return Err(Stop::Unsure),
            Objection::Broken(problem) => {
                return Err(Stop::Broken(last, end, problem));
            }
        }
        self.commit(tame).map_err(|fault| Stop::Commit(last, end, fault))?;
        self.settled = (tame && !limited).then_some(terms);
        Ok(durations)
    }

    /// Writes the rows of scripts that ran, and with them the events that they ask for.
    fn record(&mut self, rows: &mut Vec<Recorded<'_>>, condition: &str, limited: bool) -> Result<(), Fault> {
        let tame = self.tame;
        let limit = if limited { self.wire.without_limit() } else { "" };
        for Recorded { row, over, spared } in rows.drain(..) {
            // The row says it all; an event is added where there was more than one attempt.
            let again = (row.attempt > 1).then_some(("applied", ""));
            let events: Vec<(&str, &str)> = again.into_iter().chain(spared).collect();
            if tame && !over && events.is_empty() && limit.is_empty() {
                if self.wire.add(&self.writer, &row, condition)? < CLAIMED - 1 {
                    return Err(gone());
                }
                continue;
            }
            let rights = if tame { "" } else { self.wire.own_rights() };
            let mut sql = rights.to_owned() + limit + &self.writer.replace(&row, over, condition);
            for (event, detail) in &events {
                let _ = write!(sql, "; {}", self.writer.event(row.seq, event, detail));
            }
            if self.wire.tell(&sql)? < CLAIMED - 1 + events.len() as u64 {
                return Err(gone());
            }
        }
        Ok(())
    }
}
