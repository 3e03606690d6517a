//! Running a script statement by statement, for files that one transaction cannot hold.
//!
//! Statements that can share a transaction with their progress run exactly once. Every other statement is marked as
//! begun in a commit of its own before it runs; if the mark is found later, the catalogue is asked whether the
//! statement took effect. Refuses to guess: what cannot be told stops the database and is put to people.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::config::Dialect;
use crate::engine::patience::Told;
use crate::engine::probe::{Effect, Found, Kind, found};
use crate::engine::quiet::told_by;
use crate::engine::record;
use crate::engine::remains;
use crate::engine::run::{CLAIMED, Runner, Stop, Tell, ended, gone};
use crate::engine::trace::{effects, whole};
use crate::engine::wire::{Class, Fault, Objection, Wire};
use crate::engine::{Decision, Provenance, Script, Shares, Terms};
use crate::history::{Mode, Row, SUM, Said, State};

/// What people decided about is no failure any more.
const NO_ERROR: &str = "error_message = NULL, error_statement = 0, error_line = 0, error_column = 0";

impl<W: Wire> Runner<W> {
    /// Runs one script statement by statement, recording progress with each.
    pub(super) fn journal(&mut self, script: &Script, who: &Provenance, tell: Tell<'_>) -> Result<Vec<Duration>, Stop> {
        let started = Instant::now();
        let lock = self.wire.condition(false, false);
        let mut done = script.done;
        self.reached = done;
        self.wire.settle(&script.terms)?;
        self.wire.learn()?;
        self.settings_again(script, done)?;
        if let Some(open) = script.in_flight() {
            done = self.found_out(script, open, tell)?;
        }
        let open = self.mark(script, done);
        let row = record::row(script, who, State::Running, done);
        let (row, over) = self.number(row);
        let row = &row;
        self.settled = None;
        let event = self.writer.event(row.seq, if row.attempt > 1 { "resumed" } else { "started" }, "");
        let spared = script.spared();
        let more = spared.map(|(event, detail)| format!("; {}", self.writer.event(row.seq, event, detail)));
        let claim = format!(
            "{}; {event}{}; COMMIT",
            self.writer.replace_with(row, &open, over, &lock),
            more.as_deref().unwrap_or_default()
        );
        let touched = self.patiently(script, done, Told::No, tell, |runner, _| {
            Ok(runner.wire.begin(&Terms::default(), false, &claim)?)
        })?;
        if touched < CLAIMED + u64::from(more.is_some()) {
            return Err(Stop::Record(gone()));
        }
        // The last statements that share a transaction share it with the end of the row.
        let mut ended = false;
        while done < script.statements.len() {
            self.reached = done;
            ended = script.statements[done].shares != Shares::Nothing;
            done = if ended {
                self.shared(script, row, done, started, tell)?
            } else {
                self.alone(script, row.seq, done, tell)?
            };
        }
        if !ended {
            let finish = self.finished(row, started) + self.wire.seal();
            self.patiently(script, done, Told::No, tell, |runner, _| Ok(runner.exactly(&finish, 2)?))?;
        }
        Ok(vec![started.elapsed()])
    }

    /// Runs a statement outside of any transaction; it is marked as begun already. Returns how many ran.
    fn alone(&mut self, script: &Script, seq: i64, number: usize, tell: Tell<'_>) -> Result<usize, Stop> {
        let lock = self.wire.condition(false, false);
        let path = script.migration.path.display();
        let statement = &script.statements[number];
        let whole = whole(&statement.text, self.wire.dialect());
        let told = told_by(std::slice::from_ref(statement), self.wire.dialect());
        self.patiently(script, number, told, tell, |runner, tell| {
            let removed = runner.wire.make_room(statement).map_err(|fault| Stop::Statement(0, number, fault))?;
            if let Some(removed) = removed {
                tell(Said::Notice { path: &path, line: statement.line, text: &removed });
            }
            match runner.statement(script, 0, number, tell) {
                Err(Stop::Statement(_, _, fault)) if !whole && fault.class != Class::Lost => {
                    Err(Stop::Half(number, fault))
                }
                // Nothing of a definition that only waited stays.
                other => other,
            }
        })?;
        let done = number + 1;
        if done < script.statements.len() {
            let sql = self.writer.progress(seq, done, &self.mark(script, done), &lock) + self.wire.seal();
            self.patiently(script, number, Told::No, tell, |runner, _| Ok(runner.exactly(&sql, 1)?))?;
        }
        Ok(done)
    }

    /// The number (from 1) of the statement that is begun, as an expression: none (0) where all that it makes is there
    /// already, made by somebody else. It will be refused then, and must not be taken for ours.
    fn mark(&self, script: &Script, at: usize) -> String {
        let (number, dialect) = (script.alone_at(at), self.wire.dialect());
        let effects = script.statements.get(at).and_then(|statement| effects(&statement.text, dialect).ok());
        let there = |effect: &Effect| {
            let (question, not) = (effect.question(dialect)?, if effect.there { "" } else { "NOT " });
            let doubt = effect.doubt(dialect).map_or_else(String::new, |doubt| format!(" AND NOT EXISTS ({doubt})"));
            Some(format!("{not}EXISTS ({question}){doubt}"))
        };
        match effects.and_then(|effects| effects.iter().map(there).collect::<Option<Vec<String>>>()) {
            Some(all) if number > 0 && !all.is_empty() => {
                format!("CASE WHEN {} THEN 0 ELSE {number} END", all.join(" AND "))
            }
            _ => number.to_string(),
        }
    }

    /// The statements that end the row of a journal; they touch two rows.
    fn finished(&self, row: &Row, started: Instant) -> String {
        let finish = self.writer.finish(row, started.elapsed(), &self.wire.condition(false, false));
        format!("{finish}; {}", self.writer.event(row.seq, "applied", ""))
    }

    /// Runs consecutive statements in one transaction with their progress; the last ones with the end of the row.
    /// Returns how many ran.
    fn shared(
        &mut self,
        script: &Script,
        row: &Row,
        from: usize,
        started: Instant,
        tell: Tell<'_>,
    ) -> Result<usize, Stop> {
        let lock = self.wire.condition(false, false);
        let to = script.shared_to(from);
        let quiet = self.tame;
        // Where definitions share a transaction it is too early to look for what the next one makes.
        let mysql = matches!(self.wire.dialect(), Dialect::Mysql | Dialect::Mariadb);
        let open = if mysql { self.mark(script, to) } else { script.alone_at(to).to_string() };
        let progress = self.writer.progress(row.seq, to, &open, &lock);
        let told = told_by(&script.statements[from..to], self.wire.dialect());
        self.patiently(script, from, told, tell, |runner, tell| {
            if runner.wire.begin(&script.terms, false, &progress)? != 1 {
                return Err(Stop::Record(gone()));
            }
            // What others broke meanwhile is not this file's fault.
            runner.wire.learn()?;
            for number in from..to {
                runner.statement(script, 0, number, tell)?;
                if !runner.wire.is_open()? {
                    return Err(Stop::Statement(0, number, ended()));
                }
            }
            match runner.wire.objection()? {
                Objection::None => {}
                Objection::Unsure => return Err(Stop::Unsure),
                Objection::Broken(problem) => return Err(Stop::Broken(0, to - 1, problem)),
            }
            if to == script.statements.len() {
                let finish = runner.finished(row, started);
                runner.exactly(&finish, 2)?;
            } else if !quiet && !runner.holds(&lock)? {
                return Err(Stop::Record(gone()));
            }
            runner.wire.tell("COMMIT").map(|_| to).map_err(|fault| Stop::Commit(0, to - 1, fault))
        })
    }

    /// Asks whether the lock is still ours.
    fn holds(&mut self, lock: &str) -> Result<bool, Fault> {
        let question = format!("SELECT 1{} WHERE {lock}", self.writer.dual());
        Ok(lock.is_empty() || !self.wire.ask(&question)?.is_empty())
    }

    /// What a session was told by statements that ran in an earlier attempt is told again.
    pub(super) fn settings_again(&mut self, script: &Script, done: usize) -> Result<(), Stop> {
        let numbers = remains::again(&script.statements, done, self.wire.dialect()).map_err(Stop::Missing)?;
        for number in numbers {
            let ran = self.wire.run(&script.statements[number], &script.terms, &mut |_| {});
            ran.map_err(|fault| Stop::Replay(number, fault))?;
        }
        Ok(())
    }

    /// Finds out whether the statement in flight (from 0) took effect; returns how many statements are done. What several
    /// may have left is not looked up.
    fn found_out(&mut self, script: &Script, open: Range<usize>, tell: Tell<'_>) -> Result<usize, Stop> {
        let (dialect, number) = (self.wire.dialect(), open.start);
        if open.len() > 1 {
            let why = format!("statements {} to {} changed tables without transactions", number + 1, open.end);
            return Err(Stop::Undecided(number, why));
        }
        let Some(statement) = script.statements.get(number) else {
            let why = "the file has fewer statements now".to_owned();
            return Err(Stop::Undecided(number, why));
        };
        let same = script.earlier.as_ref().is_some_and(|row| {
            row.statement_sums.get(number * SUM..(number + 1) * SUM) == Some(statement.sum().as_str())
        });
        if !same {
            return Err(Stop::Undecided(number, "the statement was edited since".to_owned()));
        }
        let (took_effect, found) = match effects(&statement.text, dialect) {
            Ok(effects) => match self.probe(number, &effects)? {
                Found::All => (true, "had run: what it makes is there"),
                Found::None => (false, "had not run: what it makes is not there"),
                Found::Harmless => (false, "runs again: if it had run, that does no harm"),
                Found::Some => {
                    return Err(Stop::Undecided(number, "a part of what it makes is there".to_owned()));
                }
            },
            Err(why) => return Err(Stop::Undecided(number, why)),
        };
        let path = script.migration.path.display();
        tell(Said::Settled { path: &path, statement: number + 1, found });
        Ok(if took_effect { number + 1 } else { number })
    }

    /// What became of the part of a script that begins with a statement (from 0) when its session ended; nothing if that
    /// cannot be told. The lock must be held: only then the old session has ended.
    pub(super) fn fate(&mut self, script: &Script, from: usize, rows: &[Row]) -> Option<String> {
        let (k, to) = (from + 1, script.shared_to(from));
        let row = rows.iter().find(|row| row.place() == script.migration.place());
        if script.alone_at(from) > 0 && row.is_some_and(|row| row.statements_done == from && row.statement_open == 0) {
            return Some(format!("what statement {k} makes was there before it began"));
        }
        if script.alone_at(from) == 0 {
            return Some(match to - from {
                1 => format!("the server has taken statement {k} back"),
                _ => format!("the server has taken statements {k} to {to} back"),
            });
        }
        let effects = effects(&script.statements[from].text, self.wire.dialect()).ok()?;
        self.wire.settle(&script.terms).ok()?;
        self.settings_again(script, from).ok()?;
        self.used = true;
        match self.probe(from, &effects).ok()? {
            Found::All => Some(format!("statement {k} took effect: what it makes is there")),
            // It may be half done.
            Found::None if effects.iter().any(|effect| effect.kind == Kind::Partition) => None,
            Found::None => Some(format!("statement {k} took no effect: what it makes is not there")),
            Found::Harmless | Found::Some => None,
        }
    }

    fn probe(&mut self, number: usize, effects: &[Effect]) -> Result<Found, Stop> {
        let dialect = self.wire.dialect();
        let mut answers = Vec::new();
        for effect in effects {
            let Some(question) = effect.question(dialect) else { return Ok(Found::Harmless) };
            if let Some(doubt) = effect.doubt(dialect)
                && !self.wire.ask(&doubt)?.is_empty()
            {
                let why = format!("`{}` is there, but it may be another one in the search path", effect.name);
                return Err(Stop::Undecided(number, why));
            }
            let there = match self.wire.ask(&question) {
                Err(fault) if fault.class != Class::Lost => return Err(Stop::Undecided(number, fault.message)),
                answer => !answer?.is_empty(),
            };
            answers.push(there == effect.there);
        }
        Ok(found(&answers))
    }

    /// Carries out what people decided about a row.
    pub(super) fn decide(&mut self, row: &Row, decision: &Decision) -> Result<(), Fault> {
        let lock = self.wire.condition(false, false);
        let (sql, rows, event) = match decision {
            Decision::From(number) => {
                let set = format!("statements_done = {}, statement_open = 0, {NO_ERROR}", number - 1);
                let row = Row { state: State::Failed, mode: Mode::Journal, ..row.clone() };
                (self.writer.restate(&row, &set, &lock), 1, format!("resume from statement {number}"))
            }
            Decision::Applied => (self.writer.finish(row, Duration::ZERO, &lock), 1, "marked as applied".to_owned()),
            Decision::NotApplied => (self.writer.remove(row.seq), 1, "removed from the history".to_owned()),
            Decision::Forget => {
                let forgotten = Row { state: State::Forgotten, ..row.clone() };
                let set = self.writer.restate(&forgotten, "statement_open = 0", &lock);
                (set, 1, format!("forgotten, was {}", row.state.word()))
            }
            Decision::Accept(content) => {
                let was = format!("before: blob {} of commit {} at {}", row.blob_id, row.commit_id, row.path);
                (self.writer.accept(row, content, &lock), 1, format!("content accepted; {was}"))
            }
        };
        let event = self.writer.event(row.seq, "resolved", &event);
        if self.wire.begin(&Terms::default(), false, &format!("{sql}; {event}; COMMIT"))? != rows + 1 {
            return Err(gone());
        }
        Ok(())
    }
}
