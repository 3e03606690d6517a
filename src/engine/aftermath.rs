//! After a run stopped: what is taken back, what is recorded, what people are told.
//!
//! After a lost connection nothing is believed until the lock is held again: the server keeps it until the dead session
//! has ended, so only then is the history final. Refuses to run scripts.

use std::fmt::Write as _;
use std::time::Duration;

use crate::engine::patience::Patience;
use crate::engine::record;
use crate::engine::remains::{Missing, again};
use crate::engine::remedy::{FULL, remedy};
use crate::engine::run::{CLAIMED, Runner, Stop, gone};
use crate::engine::wire::{Class, Fault, Wire};
use crate::engine::{MEND, Outcome, Provenance, Script, Session as _, Terms, Trouble};
use crate::history::{Mode, Row, RowError, State};
use crate::text::{enumerate, for_shell};

impl<W: Wire> Runner<W> {
    /// After a stop: takes back what is open, records the failure, and says what is left.
    pub(super) fn stopped(&mut self, scripts: &[Script], who: &Provenance, stop: Stop) -> Result<Outcome, Trouble> {
        let lost = matches!(&stop, Stop::Statement(_, _, fault) | Stop::Half(_, fault) | Stop::Replay(_, fault)
            | Stop::Record(fault) | Stop::Commit(_, _, fault) if fault.class == Class::Lost);
        // A connection that is lost is asked nothing: it may never answer.
        let kept = !lost && self.take_back();
        self.settled = None;
        match stop {
            Stop::Record(fault) | Stop::Commit(_, _, fault) if kept => {
                // Those behind it never ran.
                let (index, from) = (self.at.min(scripts.len() - 1), self.reached);
                let script = &scripts[index];
                let (from, to) = match script.mode {
                    Mode::Journal if script.alone_at(from) > 0 => (from, from + 1),
                    Mode::Journal => (from, script.shared_to(from.min(script.statements.len()))),
                    Mode::Transaction => (0, script.statements.len()),
                };
                Ok(self.after_half(scripts, who, (index, from, to.max(1) - 1), fault))
            }
            Stop::Record(fault) if !lost && self.refuses_settings(&fault) => Err(Trouble::new(
                format!("the settings that the server file gives to sessions are refused: {}", fault.message),
                "mend `session` of this target in the server file; then schemagate sync",
            )),
            Stop::Record(fault) if !lost => self.after_refused_record(scripts, who, &fault),
            Stop::Record(fault) => self.after_lost_record(scripts, &fault),
            Stop::Commit(index, number, fault) if refused(&fault) => {
                self.after_refused_commit(scripts, who, (index, number), fault)
            }
            Stop::Commit(_, _, fault) => self.after_lost_record(scripts, &fault),
            Stop::Unsure => Err(Trouble::new("broken references could not be told apart", "schemagate apply")),
            Stop::Undecided(number, why) => {
                Ok(self.put_to_people(&scripts[0], who, undecided(&scripts[0], number, &why)))
            }
            Stop::Missing(missing) => Ok(self.put_to_people(&scripts[0], who, not_made_again(&scripts[0], &missing))),
            Stop::Replay(number, fault) => self.after_replay(&scripts[0], who, number, &fault),
            Stop::Half(number, fault) => Ok(self.after_half(scripts, who, (0, number, number), fault)),
            Stop::Broken(index, number, problem) => {
                let fault = Fault { code: "foreign-key".to_owned(), ..Fault::new(Class::Refused, problem) };
                Ok(self.after_refusal(scripts, who, (index, number), &fault))
            }
            Stop::Statement(index, number, fault) => {
                let script = &scripts[index];
                let error = record::error(script, number, fault.byte, fault.message.clone(), fault.code.clone());
                match fault.class {
                    Class::Lost => Ok(self.after_lost_statement(scripts, index, error, &fault)),
                    Class::Ended => Ok(self.record_ended(script, index, number, who, error)),
                    _ if kept => {
                        let from = if script.mode == Mode::Journal { script.shared_from(number) } else { 0 };
                        Ok(self.after_half(scripts, who, (index, from, number), fault))
                    }
                    _ => Ok(self.after_refusal(scripts, who, (index, number), &fault)),
                }
            }
        }
    }

    /// A statement was refused, and nothing of it stays.
    fn after_refusal(
        &mut self,
        scripts: &[Script],
        who: &Provenance,
        (index, number): (usize, usize),
        fault: &Fault,
    ) -> Outcome {
        let script = &scripts[index];
        let error = record::error(script, number, fault.byte, fault.message.clone(), fault.code.clone());
        let journal = script.mode == Mode::Journal;
        // Somebody may have been faster, past our lock: then the failure is that it stands already.
        if !journal && self.history().is_ok_and(|rows| scripts.iter().all(|script| stands(&rows, script))) {
            return Outcome::Applied(vec![Duration::ZERO; scripts.len()]);
        }
        let done = if journal { script.shared_from(number) } else { 0 };
        let row = Row { error: Some(error.clone()), ..record::row(script, who, State::Failed, done) };
        // Where that fails nothing is lost: nothing of the file stays, or its row stands since it began.
        let _ = self.record_failure(row, &error);
        let left = match (journal, scripts.len()) {
            (true, _) => format!("{}; the others did not run", ran(done)),
            (false, several) => nothing_stays(several),
        };
        let text = script.statements.get(number).map_or("", |statement| &statement.text);
        let gone = journal.then(|| again(&script.statements, done, self.wire.dialect()).err()).flatten();
        let help = match (remedy(fault, text), FULL.contains(&fault.code.as_str())) {
            (None, _) => MEND.to_owned(),
            (Some(remedy), true) => format!("{remedy}; then schemagate sync"),
            (Some(remedy), false) => format!("{remedy}; then {MEND}"),
        };
        let help = match gone {
            Some(gone) => format!(
                "the rest uses what ended with this session ({}): write it without that, and {help}; or {}",
                gone.what,
                by_hand(script)
            ),
            None => help,
        };
        Outcome::Failed { script: index, error, left, help }
    }

    /// A statement was refused, and what was done from another one on may stay in part.
    fn after_half(
        &mut self,
        scripts: &[Script],
        who: &Provenance,
        (index, from, number): (usize, usize, usize),
        fault: Fault,
    ) -> Outcome {
        let script = &scripts[index];
        let error = record::error(script, number, fault.byte, fault.message, fault.code);
        let mut recorded = Ok(());
        for (at, script) in scripts[..=index].iter().enumerate() {
            // Of those before it in the transaction all may stay.
            let (from, open) = if at == index { (from, number + 1) } else { (0, script.statements.len()) };
            let row = record::row(script, who, State::Failed, from);
            let row = Row { error: Some(error.clone()), mode: Mode::Journal, statement_open: open, ..row };
            recorded = recorded.and(self.record_failure(row, &error));
        }
        let what = if from == number {
            format!("statement {} may have done a part of its work", number + 1)
        } else {
            format!(
                "statements {} to {} changed tables without transactions and may stay in part",
                from + 1,
                number + 1
            )
        };
        let mut left = format!("{}; {what}; the others did not run", ran(from));
        if index > 0 {
            let before: Vec<String> = scripts[..index].iter().map(|script| script.migration.path.display()).collect();
            let _ = write!(left, "; so may all of {}, of the same transaction", enumerate(&before, 9));
        }
        if let Err(fault) = recorded {
            let _ =
                write!(left, "; this could NOT be recorded ({}), so do not apply before it is decided", fault.message);
        }
        Outcome::Failed { script: index, error, left, help: decide(script, from, number) }
    }

    /// Nothing ran now: what an earlier run left is written down as what people have to decide.
    fn put_to_people(&mut self, script: &Script, who: &Provenance, outcome: Outcome) -> Outcome {
        if let Outcome::Failed { error, .. } = &outcome {
            let statement_open = script.earlier.as_ref().map_or(0, |row| row.statement_open);
            let row = record::row(script, who, State::Failed, script.done);
            let _ = self.record_failure(Row { error: Some(error.clone()), statement_open, ..row }, error);
        }
        outcome
    }

    /// A setting of an earlier attempt could not be made again: nothing ran, and what the history says stays.
    fn after_replay(
        &mut self,
        script: &Script,
        who: &Provenance,
        number: usize,
        fault: &Fault,
    ) -> Result<Outcome, Trouble> {
        if fault.class == Class::Lost {
            return Err(self.explain(fault));
        }
        let message = format!("a new session needs this setting again: {}", fault.message);
        let error = record::error(script, number, fault.byte, message, fault.code.clone());
        let statement_open = script.earlier.as_ref().map_or(0, |row| row.statement_open);
        let row = record::row(script, who, State::Failed, script.done);
        let _ = self.record_failure(Row { error: Some(error.clone()), statement_open, ..row }, &error);
        let left = format!("{}; nothing ran now", ran(script.done));
        let help = remedy(fault, "").map_or_else(|| "mend the cause; then schemagate sync".to_owned(), str::to_owned);
        Ok(Outcome::Failed { script: 0, error, left, help })
    }

    /// The database refused the commit; as long as the history does not say otherwise, all of it was taken back.
    fn after_refused_commit(
        &mut self,
        scripts: &[Script],
        who: &Provenance,
        place: (usize, usize),
        fault: Fault,
    ) -> Result<Outcome, Trouble> {
        let Ok(rows) = self.history() else { return self.after_lost_record(scripts, &fault) };
        if scripts.iter().all(|script| stands(&rows, script)) {
            return Ok(Outcome::Applied(vec![Duration::ZERO; scripts.len()]));
        }
        let message = format!("the commit was refused: {}", fault.message);
        Ok(self.after_refusal(scripts, who, place, &Fault { message, byte: None, ..fault }))
    }

    /// Writes a failed row of its own, behind the work that was taken back. A session that refuses it may be one that the
    /// file has changed: then in a new one.
    pub(super) fn record_failure(&mut self, row: Row, error: &RowError) -> Result<(), Fault> {
        match self.record_failure_here(row.clone(), error) {
            Err(fault) if fault.class == Class::Refused && self.recover().is_ok() => {
                self.record_failure_here(row, error)
            }
            done => done,
        }
    }

    /// Writes it in this session. Who holds the history is waited for.
    fn record_failure_here(&mut self, row: Row, error: &RowError) -> Result<(), Fault> {
        let (row, _) = self.number(row);
        let sql = self.writer.replace(&row, true, &self.wire.condition(false, false));
        let event = self.writer.event(row.seq, "failed", &error.message);
        let mut patience = Patience::new(self.wait);
        loop {
            let written = self.wire.begin(&Terms::default(), false, &format!("{sql}; {event}; COMMIT"));
            let fault = match written {
                Ok(rows) if rows >= CLAIMED => return Ok(()),
                // Without our lock nothing is written; it is taken again, and who was faster has written its own row.
                Ok(_) if matches!(self.wire.try_lock(), Ok(Ok(()))) => Fault { class: Class::Busy, ..gone() },
                Ok(_) => return Err(gone()),
                Err(fault) => fault,
            };
            self.wire.take_back();
            if fault.class != Class::Busy {
                return Err(fault);
            }
            if patience.again().is_none() {
                // Better without its event than not at all.
                let alone = self.wire.begin(&Terms::default(), false, &format!("{sql}; COMMIT"));
                if alone.is_err() {
                    self.wire.take_back();
                }
                return alone.and_then(|rows| if rows > 0 { Ok(()) } else { Err(gone()) });
            }
        }
    }

    /// A statement ended our transaction: what ran up to it stays, and is recorded as far as it came.
    fn record_ended(
        &mut self,
        script: &Script,
        index: usize,
        number: usize,
        who: &Provenance,
        error: RowError,
    ) -> Outcome {
        let row = record::row(script, who, State::Failed, number + 1);
        let recorded = self.record_failure(Row { error: Some(error.clone()), mode: Mode::Journal, ..row }, &error);
        let mut left = format!("statements 1 to {} of this file ran and may stay; the others did not run", number + 1);
        if let Err(fault) = recorded {
            let _ = write!(left, "; this could NOT be recorded ({})", fault.message);
        }
        let help = "look at what stayed; then mend only what comes behind these statements".to_owned();
        Outcome::Failed { script: index, error, left, help }
    }

    /// Connects anew and takes the lock, which the server keeps until the dead session has ended: only then is the
    /// history final.
    pub(super) fn recover(&mut self) -> Result<Vec<Row>, Trouble> {
        self.wire.reopen()?;
        (self.used, self.reads_alike) = (false, false);
        // Who keeps the lock beyond its connection would wait for itself.
        if !self.wire.keeps_lock() {
            self.lock(self.wait, &mut |_| {})?;
        }
        self.history()
    }

    /// The connection was lost in a statement. What the history says under the lock is what is.
    fn after_lost_statement(&mut self, scripts: &[Script], index: usize, error: RowError, fault: &Fault) -> Outcome {
        let journal = scripts[index].mode == Mode::Journal;
        let number = error.statement;
        let left = match (journal, self.recover()) {
            (false, Ok(rows)) if !scripts.iter().any(|script| stands(&rows, script)) => {
                "the server has taken the transaction back: nothing of this file stays".to_owned()
            }
            (false, _) => "the server takes the transaction back when it notices; the next run makes sure".to_owned(),
            (true, recovered) => {
                let script = &scripts[index];
                let stays = script.shared_from(number - 1);
                let fate = recovered.ok().and_then(|rows| self.fate(script, stays, &rows));
                let fate =
                    fate.unwrap_or_else(|| format!("whether statement {} did, the next run finds out", stays + 1));
                format!("{}; {fate}", ran(stays))
            }
        };
        let error = RowError { message: format!("the connection was lost: {}", fault.message), ..error };
        let text = scripts[index].statements.get(number - 1).map_or("", |statement| &statement.text);
        let help = remedy(fault, text).map_or_else(String::new, |remedy| format!("{remedy}; then "));
        Outcome::Failed { script: index, error, left, help: help + "schemagate sync" }
    }
}

/// What people have to decide.
fn undecided(script: &Script, number: usize, why: &str) -> Outcome {
    let k = number + 1;
    let open = script.earlier.as_ref().map_or(k, |row| row.statement_open.max(k));
    let these = if open == k { format!("statement {k}") } else { format!("statements {k} to {open}") };
    let message =
        format!("an earlier run stopped during this statement, and whether it took effect is not known: {why}");
    let error = record::error(script, number, None, message, "undecided".to_owned());
    let left = format!("{}; {these} ran or did not; nothing ran now", ran(number));
    Outcome::Failed { script: 0, error, left, help: decide(script, number, open - 1) }
}

/// What the others use cannot be made again in a new session.
fn not_made_again(script: &Script, missing: &Missing) -> Outcome {
    let message = format!(
        "an earlier run stopped behind this statement, and the remaining ones use what it left in its session: {}",
        missing.what
    );
    let error = record::error(script, missing.statement, None, message, "session".to_owned());
    Outcome::Failed { script: 0, error, left: format!("{}; nothing ran now", ran(script.done)), help: by_hand(script) }
}

/// How people end a file whose rest needs its session.
fn by_hand(script: &Script) -> String {
    format!(
        "run the remaining statements by hand, in one session that has it; then: schemagate resolve {} --applied",
        named(script)
    )
}

/// The words by which `resolve` knows a migration of a target.
pub(super) fn named(script: &Script) -> String {
    format!("{} {}", for_shell(&script.migration.path.display()), script.target)
}

/// How people say whether statements (from 0, the first and the last one in doubt) took effect.
fn decide(script: &Script, from: usize, to: usize) -> String {
    let (named, k, next) = (named(script), from + 1, to + 2);
    let (what, is) =
        if from == to { (format!("statement {k}"), "is") } else { (format!("all of {k} to {}", to + 1), "are") };
    let not = if from == to { "it is not" } else { "nothing of them is" };
    format!(
        "look at the database. If {what} {is} there: schemagate resolve {named} --from {next}; if {not}: schemagate \
         resolve {named} --from {k}; if the whole file is done: schemagate resolve {named} --applied"
    )
}

/// Says whether a database that refused a commit has taken everything back.
fn refused(fault: &Fault) -> bool {
    matches!(fault.class, Class::Refused | Class::Busy)
}

/// Says that the transaction of so many files was taken back.
pub(super) fn nothing_stays(files: usize) -> String {
    match files {
        1 => "nothing of this file stays; the database is as it was before it".to_owned(),
        _ => format!("nothing of these {files} files stays; the database is as it was before them"),
    }
}

/// Says how many statements of a file stay.
pub(super) fn ran(done: usize) -> String {
    match done {
        0 => "no statement of this file ran".to_owned(),
        1 => "statement 1 of this file ran and stays".to_owned(),
        _ => format!("statements 1 to {done} of this file ran and stay"),
    }
}

/// Says whether the history has a script as applied, with this very content.
pub(super) fn stands(rows: &[Row], script: &Script) -> bool {
    rows.iter().any(|row| {
        row.position() == script.migration.position()
            && row.project == script.migration.project
            && row.state == State::Applied
            && row.blob_id == script.migration.blob.as_str()
    })
}
