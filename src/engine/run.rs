//! Running scripts over a [`Wire`]: what every engine shares.
//!
//! A script whose statements can all share a transaction with their row does so: one commit makes both true. Any other
//! script runs as a journal: statements that can share a transaction with their progress do, and each other statement
//! is marked as begun before it runs. So whatever stops a run, the history says what ran, or which one statement may
//! have. Refuses to know any engine.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::engine::record::{self, Writer};
use crate::engine::tables;
use crate::engine::wire::{Class, Fault, Objection, REOPEN, Wire};
use crate::engine::{Outcome, Provenance, Script, Session, Terms, Trouble};
use crate::history::{FORMAT, Mode, Row, Said, State};
use crate::migration::{Kind, ProjectName};

/// What a run says while it goes on.
pub(super) type Tell<'t> = &'t mut dyn FnMut(Said<'_>);

/// A session over a wire.
pub(super) struct Runner<W> {
    pub(super) wire: W,
    pub(super) writer: Writer,
    /// How long others are waited for.
    pub(super) wait: Duration,
    /// The numbers of all rows.
    numbers: BTreeMap<(ProjectName, String, Kind), i64>,
    /// Whether these were read.
    read: bool,
    /// The terms under which the session stands, if no script can have changed it since.
    pub(super) settled: Option<Terms>,
}

/// What stopped a run before its end.
pub(super) enum Stop {
    /// A statement of a script (by index, both from 0).
    Statement(usize, usize, Fault),
    /// What was found behind a statement of a script (by index, both from 0).
    Broken(usize, usize, String),
    /// References may have been broken before.
    Unsure,
    /// It is not known whether a statement (from 0) took effect.
    Undecided(usize, String),
    /// Our own bookkeeping.
    Record(Fault),
    /// The commit: whether it happened is not known.
    Commit(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Record(fault)
    }
}

/// The rows that writing a row and its event touches at least; with one in whose place it comes, one more.
pub(super) const CLAIMED: u64 = 2;

/// Our lock or our transaction was found gone: the bookkeeping statement touched other rows than it should.
pub(super) fn gone() -> Fault {
    let message = "the lock of this database was lost, or the script ended the transaction";
    Fault::new(Class::LockLost, message)
}

/// Waits a little longer each time, up to a bound, for something that others hold.
pub(super) struct Patience {
    begun: Instant,
    most: Duration,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(most: Duration) -> Self {
        Self { begun: Instant::now(), most, pause: Duration::from_millis(25) }
    }

    /// Sleeps, or says that the time is over. Pauses differ between processes, so that they do not meet again.
    pub(super) fn again(&mut self) -> Option<Duration> {
        use std::hash::{BuildHasher as _, Hasher as _};
        let left = self.most.checked_sub(self.begun.elapsed()).filter(|left| !left.is_zero())?;
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let jitter = self.pause.mul_f64((random % 1000) as f64 / 2000.0);
        let pause = (self.pause + jitter).min(left);
        std::thread::sleep(pause);
        self.pause = (self.pause * 2).min(Duration::from_secs(2));
        Some(pause)
    }
}

/// Tries for a while to have a lost connection again.
pub(super) fn again<T>(mut open: impl FnMut() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let mut patience = Patience::new(REOPEN);
    loop {
        match open() {
            Err(trouble) if patience.again().is_none() => return Err(trouble),
            Err(_) => {}
            opened => return opened,
        }
    }
}

impl<W: Wire> Runner<W> {
    pub(super) fn new(wire: W, wait: Duration) -> Self {
        let writer = Writer { dialect: wire.dialect(), prefix: wire.prefix().to_owned() };
        Self { wire, writer, wait, numbers: BTreeMap::new(), read: false, settled: None }
    }

    /// Runs statements of our own that must touch `rows` rows together.
    pub(super) fn exactly(&mut self, sql: &str, rows: u64) -> Result<(), Fault> {
        if self.wire.tell(sql)? == rows { Ok(()) } else { Err(gone()) }
    }

    pub(super) fn explain(&self, fault: &Fault) -> Trouble {
        self.wire.explain(fault)
    }

    /// Says whether the history is there. Where definitions commit by themselves, its tables can be there before its
    /// format is: then it is not there yet.
    fn exists(&mut self) -> Result<bool, Trouble> {
        if !self.wire.has_history().map_err(|fault| self.explain(&fault))? {
            return Ok(false);
        }
        let strange = || {
            Trouble::new(
                format!("the table {} of this database is not ours, or damaged", tables::META.name),
                "rename or repair that table; nothing was changed",
            )
        };
        let rows = match self.wire.ask(&self.writer.format()) {
            Ok(rows) => rows,
            Err(fault) if fault.class == Class::Lost => return Err(self.explain(&fault)),
            Err(_) => return Err(strange()),
        };
        let Some(format) = rows.into_iter().flatten().next() else { return Ok(false) };
        match format.and_then(|text| text.parse::<i64>().ok()) {
            Some(FORMAT) => Ok(true),
            Some(newer) if newer > FORMAT => Err(Trouble::new(
                format!("the history of this database has format {newer}, this program writes format {FORMAT}"),
                "upgrade schemagate on this machine; nothing was changed",
            )),
            _ => Err(strange()),
        }
    }

    /// Gives a row its number: that of an earlier attempt, or the next one. Says whether a row may stand there already.
    pub(super) fn number(&mut self, mut row: Row) -> (Row, bool) {
        let next = self.numbers.values().max().copied().unwrap_or(0) + 1;
        let key = (row.project.clone(), row.version_key.clone(), row.kind);
        let over = !self.read || self.numbers.contains_key(&key);
        row.seq = *self.numbers.entry(key).or_insert(next);
        (row, over)
    }

    /// Runs scripts in one transaction with their rows.
    fn together(&mut self, scripts: &[Script], who: &Provenance, tell: Tell<'_>) -> Result<Vec<Duration>, Stop> {
        let dialect = self.wire.dialect();
        let tame = scripts.iter().all(|script| script.leaves_the_session(dialect));
        let condition = self.wire.condition(true, tame);
        let terms = scripts.first().map(|script| script.terms.clone()).unwrap_or_default();
        // Only what a script may have changed is put back.
        let fresh = self.settled.take().as_ref() != Some(&terms);
        self.wire.begin(&terms, fresh, "")?;
        let mut durations = Vec::new();
        for (index, script) in scripts.iter().enumerate() {
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
            let record = self.writer.replace(&row, over, &condition);
            // The row says it all; an event is added where there was more than one attempt.
            let event = match row.attempt {
                1 => String::new(),
                _ => format!("; {}", self.writer.event(row.seq, "applied", "")),
            };
            let rights = if tame { "" } else { self.wire.own_rights() };
            let needed = if event.is_empty() { CLAIMED - 1 } else { CLAIMED };
            if self.wire.tell(&format!("{rights}{record}{event}"))? < needed {
                return Err(Stop::Record(gone()));
            }
            durations.push(elapsed);
        }
        let last = scripts.len().saturating_sub(1);
        match self.wire.objection()? {
            Objection::None => {}
            Objection::Unsure => return Err(Stop::Unsure),
            Objection::Broken(problem) => {
                return Err(Stop::Broken(last, scripts[last].statements.len().max(1) - 1, problem));
            }
        }
        self.wire.tell("COMMIT").map_err(Stop::Commit)?;
        self.settled = tame.then_some(terms);
        Ok(durations)
    }

    /// Runs one statement, telling how long it takes and what the server says.
    pub(super) fn statement(
        &mut self,
        script: &Script,
        index: usize,
        number: usize,
        tell: Tell<'_>,
    ) -> Result<(), Stop> {
        let (statement, of) = (&script.statements[number], script.statements.len());
        let path = script.migration.path.display();
        let ran = self.wire.run(statement, &mut |elapsed| {
            tell(Said::Running { path: &path, statement: number + 1, of, elapsed });
        });
        for notice in self.wire.notices() {
            tell(Said::Notice { path: &path, line: statement.line, text: &notice });
        }
        ran.map_err(|fault| Stop::Statement(index, number, fault))
    }

    /// Runs scripts once; what is in the way of others is waited for.
    fn attempt(&mut self, scripts: &[Script], who: &Provenance, tell: Tell<'_>) -> Result<Vec<Duration>, Stop> {
        if scripts.len() == 1 && scripts[0].mode == Mode::Journal {
            return self.journal(&scripts[0], who, tell);
        }
        let mut patience = Patience::new(self.wait);
        loop {
            let stop = match self.together(scripts, who, tell) {
                // Only now is it worth knowing what was broken before: once more, with that knowledge.
                Err(Stop::Unsure) => {
                    let _ = self.wire.tell("ROLLBACK");
                    self.wire.learn()?;
                    self.together(scripts, who, tell)
                }
                other => other,
            };
            let Err(Stop::Statement(index, number, fault)) = stop else { return stop };
            if fault.class != Class::Busy {
                return Err(Stop::Statement(index, number, fault));
            }
            let _ = self.wire.tell("ROLLBACK");
            let path = scripts[index].migration.path.display();
            tell(Said::Retry { path: &path, statement: number + 1, why: &fault.message });
            if patience.again().is_none() {
                return Err(Stop::Statement(index, number, fault));
            }
        }
    }
}

pub(super) fn ended() -> Fault {
    let message = "this statement ended the transaction in which the file runs";
    Fault { code: "transaction".to_owned(), ..Fault::new(Class::Ended, message) }
}

impl<W: Wire> Session for Runner<W> {
    fn history(&mut self) -> Result<Vec<Row>, Trouble> {
        self.read = true;
        if !self.exists()? {
            self.numbers.clear();
            return Ok(Vec::new());
        }
        let found = self.wire.ask(&self.writer.all()).map_err(|fault| self.explain(&fault))?;
        let damaged = |error: String| {
            Trouble::new(
                format!("a row of the history cannot be read: {error}"),
                "it was changed by hand; restore the table from a backup",
            )
        };
        let rows: Vec<Row> = found.iter().map(|row| record::read(row)).collect::<Result<_, _>>().map_err(damaged)?;
        self.numbers =
            rows.iter().map(|row| ((row.project.clone(), row.version_key.clone(), row.kind), row.seq)).collect();
        Ok(rows)
    }

    fn lock(&mut self, wait: Duration, waiting: &mut dyn FnMut(&str)) -> Result<(), Trouble> {
        let mut patience = Patience::new(wait);
        let mut told = false;
        loop {
            let Err(holder) = self.wire.try_lock()? else { return Ok(()) };
            if !std::mem::replace(&mut told, true) && !wait.is_zero() {
                waiting(&holder);
            }
            if patience.again().is_none() {
                let message =
                    format!("{holder} is at work on this database and did not finish within {} s", wait.as_secs());
                return Err(Trouble::new(message, "wait for it and run `schemagate sync`, or raise `lock-wait`"));
            }
        }
    }

    fn prepare(&mut self) -> Result<(), Trouble> {
        if self.exists()? {
            return Ok(());
        }
        let dialect = self.wire.dialect();
        let prefix = self.wire.prefix().to_owned();
        let place = self.wire.place();
        let mut statements: Vec<String> = if place.is_empty() { Vec::new() } else { vec![place] };
        statements.extend(tables::ALL.iter().map(|table| table.create(dialect, &prefix)));
        statements.push(self.writer.meta());
        statements.push("COMMIT".to_owned());
        let made = self.wire.begin(&Terms::default(), false, &statements.join("; "));
        made.map(|_| ()).map_err(|fault| {
            let _ = self.wire.tell("ROLLBACK");
            let trouble = self.explain(&fault);
            Trouble::new(format!("the history tables could not be created: {}", trouble.message), trouble.help)
        })
    }

    fn run(&mut self, scripts: &[Script], who: &Provenance, tell: Tell<'_>) -> Result<Outcome, Trouble> {
        match self.attempt(scripts, who, tell) {
            Ok(durations) => Ok(Outcome::Applied(durations)),
            Err(stop) => self.stopped(scripts, who, stop),
        }
    }

    fn names(&mut self, sql: &str) -> Result<Vec<String>, Trouble> {
        let rows = self.wire.ask(sql).map_err(|fault| self.explain(&fault))?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
    }

    fn settle(&mut self, row: &Row, decision: &super::Decision) -> Result<(), Trouble> {
        self.decide(row, decision).map_err(|fault| {
            let _ = self.wire.tell("ROLLBACK");
            self.explain(&fault)
        })
    }
}
