//! Running scripts over a [`Wire`]: what every engine shares.
//!
//! A script whose statements can all share a transaction with their row does so: one commit makes both true. Any other
//! script runs as a journal: statements that can share a transaction with their progress do, and each other statement
//! is marked as begun before it runs. So whatever stops a run, the history says what ran, or which one statement may
//! have. Refuses to know any engine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::config::flavour::Release;
use crate::engine::apart::Tables;
use crate::engine::identity::Identity;
use crate::engine::patience::{Patience, Told};
use crate::engine::record::{self, Writer};
use crate::engine::remains::Missing;
use crate::engine::tables;
use crate::engine::wire::{Class, Fault, Wire};
use crate::engine::{Outcome, Provenance, Script, Session, Terms, Trouble};
use crate::history::{FORMAT, Mode, Reached, Row, Said, UNSEALED};
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
    /// The highest of them.
    highest: i64,
    /// Whether these were read.
    read: bool,
    /// How far each row had come when it was read.
    pub(super) seen: BTreeMap<i64, Reached>,
    /// The rows that this session writes.
    pub(super) ours: BTreeSet<i64>,
    /// The terms under which the session stands, if no script can have changed it since.
    pub(super) settled: Option<Terms>,
    /// Whether a script may have left something in the session that settings do not take back.
    pub(super) used: bool,
    /// Whether the scripts that run surely leave their session as it was.
    pub(super) tame: bool,
    /// Whether a script left something in its session that no setting takes back, or may have done so.
    pub(super) stays: bool,
    pub(super) may_stay: bool,
    /// Whether a routine of the database may tell a session something, once that was looked at.
    pub(super) routines_tell: Option<bool>,
    /// Whether the session was asked how it reads text, and reads it as the scripts were judged.
    pub(super) reads_alike: bool,
    /// What is known about tables without transactions.
    pub(super) tables: Option<Tables>,
    /// Whether the last commit began a transaction for the next scripts.
    pub(super) chained: bool,
    /// Whether what is broken already is looked at before the scripts run.
    pub(super) looks: bool,
    /// Which of several scripts of a transaction runs, or is recorded.
    pub(super) at: usize,
    /// Whether a part of what was taken back stays.
    kept: bool,
    /// How many statements of a journal are recorded as run.
    pub(super) reached: usize,
    /// The format of the history.
    pub(super) format: i64,
    /// What the history says about the database itself.
    pub(super) facts: BTreeMap<String, String>,
    /// The name that the database had before it got one of its own.
    pub(super) was: Option<String>,
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
    /// A statement (from 0) was refused that may have done a part of its work.
    Half(usize, Fault),
    /// A statement (from 0) of an earlier attempt, whose setting is needed again, was refused.
    Replay(usize, Fault),
    /// A statement of an earlier attempt left something in its session that a new one lacks.
    Missing(Missing),
    /// Our own bookkeeping.
    Record(Fault),
    /// The commit behind a statement of a script (by index, both from 0): whether it happened is not known.
    Commit(usize, usize, Fault),
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

impl<W: Wire> Runner<W> {
    pub(super) fn new(wire: W, wait: Duration) -> Self {
        let writer = Writer { dialect: wire.dialect(), prefix: wire.prefix().to_owned() };
        Self {
            wire,
            writer,
            wait,
            numbers: BTreeMap::new(),
            highest: 0,
            read: false,
            seen: BTreeMap::new(),
            ours: BTreeSet::new(),
            settled: None,
            used: false,
            tame: false,
            stays: false,
            may_stay: false,
            routines_tell: None,
            reads_alike: false,
            tables: None,
            chained: false,
            looks: false,
            at: 0,
            kept: false,
            reached: 0,
            format: FORMAT,
            facts: BTreeMap::new(),
            was: None,
        }
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
        let rows = match self.wire.ask(&self.writer.facts()) {
            Ok(rows) => rows,
            Err(fault) if fault.class == Class::Lost => return Err(self.explain(&fault)),
            Err(_) => return Err(strange()),
        };
        let cells = rows.into_iter().filter_map(|row| <[Option<String>; 2]>::try_from(row).ok());
        self.facts = cells.filter_map(|[name, value]| Some((name?, value?))).collect();
        let Some(format) = self.facts.get("format") else { return Ok(false) };
        let format = format.parse::<i64>().ok();
        self.format = format.unwrap_or_default();
        match format {
            Some(FORMAT | UNSEALED) => Ok(true),
            Some(newer) if newer > FORMAT => Err(Trouble::new(
                format!("the history of this database has format {newer}, this program writes format {FORMAT}"),
                "upgrade schemagate on this machine; nothing was changed",
            )),
            _ => Err(strange()),
        }
    }

    /// Gives a row its number: that of an earlier attempt, or the next one. Says whether a row may stand there already.
    pub(super) fn number(&mut self, mut row: Row) -> (Row, bool) {
        let key = (row.project.clone(), row.version_key.clone(), row.kind);
        let over = !self.read || self.numbers.contains_key(&key);
        row.seq = *self.numbers.entry(key).or_insert(self.highest + 1);
        row.seal = row.sealed();
        self.highest = self.highest.max(row.seq);
        self.ours.insert(row.seq);
        (row, over)
    }

    /// Runs one statement, telling how long it takes and what the server says.
    pub(super) fn statement(
        &mut self,
        script: &Script,
        index: usize,
        number: usize,
        tell: Tell<'_>,
    ) -> Result<(), Stop> {
        self.reads_as_judged(script, index, number)?;
        let (statement, of) = (&script.statements[number], script.statements.len());
        let path = script.migration.path.display();
        let ran = self.wire.run(statement, &script.terms, &mut |elapsed| {
            tell(Said::Running { path: &path, statement: number + 1, of, elapsed });
        });
        for notice in self.wire.notices() {
            tell(Said::Notice { path: &path, line: statement.line, text: &notice });
        }
        ran.map_err(|fault| Stop::Statement(index, number, fault))
    }

    /// Runs scripts once; what is in the way of others is waited for.
    fn attempt(&mut self, scripts: &[Script], who: &Provenance, tell: Tell<'_>) -> Result<Vec<Duration>, Stop> {
        self.at = 0;
        if scripts.len() == 1 && scripts[0].mode == Mode::Journal {
            return self.journal(&scripts[0], who, tell);
        }
        let last = scripts.last().map_or(0, |script| script.statements.len().saturating_sub(1));
        let told = match self.tame {
            true => Told::No,
            false if scripts.iter().all(|script| script.leaves_the_session(self.wire.dialect())) => Told::ByRoutines,
            false => Told::Yes,
        };
        self.patiently_each(scripts, last, told, tell, |runner, tell| match runner.together(scripts, who, tell) {
            // Only now is it worth knowing what was broken before: once more, with that knowledge. Others may have broken
            // something since it was looked at.
            Err(Stop::Unsure | Stop::Broken(..)) => {
                runner.take_back();
                runner.looks = true;
                let done = runner.together(scripts, who, tell);
                runner.looks = false;
                done
            }
            other => other,
        })
    }

    /// Takes an open transaction back; says whether a part of what was taken back since the run began stays.
    pub(super) fn take_back(&mut self) -> bool {
        self.kept |= self.wire.take_back();
        self.kept
    }
}

pub(super) fn ended() -> Fault {
    let message = "this statement ended the transaction in which the file runs";
    Fault { code: "transaction".to_owned(), ..Fault::new(Class::Ended, message) }
}

impl<W: Wire> Session for Runner<W> {
    fn history(&mut self) -> Result<Vec<Row>, Trouble> {
        // What a script left in its session must not change what is read here.
        self.unchain()?;
        self.fresh_session()?;
        // How long a statement of a file may take is not how long this takes.
        if self.settled.take().is_some_and(|terms| terms != Terms::default()) {
            self.wire.settle(&Terms::default()).map_err(|fault| self.explain(&fault))?;
        }
        self.read = true;
        if !self.exists()? {
            self.numbers.clear();
            self.highest = 0;
            return Ok(Vec::new());
        }
        let damaged = |error: String| {
            Trouble::new(
                format!("a row of the history cannot be read: {error}"),
                "it was changed by hand; restore the table from a backup",
            )
        };
        let (mut rows, mut wrong) = (Vec::new(), None);
        let all = self.writer.all(self.format);
        let read = self.wire.each(&all, &mut |row| match record::read(row) {
            Ok(row) => rows.push(row),
            Err(error) => wrong = Some(error),
        });
        read.map_err(|fault| match fault.class {
            Class::Refused => Trouble::new(
                format!("the tables of the history (schemagate_...) cannot be read: {}", fault.message),
                "grant the right to read them, or restore them from a backup; tables that are not ours are renamed",
            ),
            _ => self.explain(&fault),
        })?;
        if let Some(error) = wrong {
            return Err(damaged(error));
        }
        self.seen = rows.iter().map(|row| (row.seq, row.reached())).collect();
        self.numbers =
            rows.iter().map(|row| ((row.project.clone(), row.version_key.clone(), row.kind), row.seq)).collect();
        self.highest = self.numbers.values().max().copied().unwrap_or(0);
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
        self.unchain()?;
        if self.exists()? {
            self.bring_up_to_date()?;
            return self.own_identity();
        }
        let dialect = self.wire.dialect();
        let prefix = self.wire.prefix().to_owned();
        let place = self.wire.place();
        let mut statements: Vec<String> = if place.is_empty() { Vec::new() } else { vec![place] };
        statements.extend(tables::ALL.iter().map(|table| table.create(dialect, &prefix)));
        let data = self.place_of_data().map_err(|fault| self.explain(&fault))?;
        let name = record::new_name();
        statements.push(self.writer.meta(&name, &data));
        statements.push("COMMIT".to_owned());
        let made = self.wire.begin(&Terms::default(), false, &statements.join("; "));
        made.map_err(|fault| {
            self.wire.take_back();
            let trouble = self.explain(&fault);
            Trouble::new(format!("the history tables could not be created: {}", trouble.message), trouble.help)
        })?;
        self.facts.insert("database_uid".to_owned(), name);
        Ok(())
    }

    fn identity(&self) -> Identity {
        self.identity_now()
    }

    fn process(&self) -> i64 {
        self.wire.process()
    }

    fn is_locked_by(&mut self, process: i64) -> bool {
        let question = self.wire.locked_by(process);
        process > 0 && !question.is_empty() && self.wire.ask(&question).is_ok_and(|rows| !rows.is_empty())
    }

    fn release(&self) -> Option<Release> {
        self.wire.release()
    }

    fn is_empty(&mut self) -> Result<bool, Trouble> {
        self.unchain()?;
        let sql = self.wire.tables_of_others();
        self.wire.ask(&sql).map(|rows| rows.is_empty()).map_err(|fault| self.explain(&fault))
    }

    fn run(&mut self, scripts: &[Script], who: &Provenance, tell: Tell<'_>) -> Result<Outcome, Trouble> {
        self.session_for(scripts)?;
        self.kept = false;
        let scripts = match self.apart(scripts)? {
            Ok(scripts) => scripts,
            Err(index) => return Ok(Outcome::Apart(index)),
        };
        let scripts = &*scripts;
        self.unchain_for(scripts)?;
        match self.attempt(scripts, who, tell) {
            Ok(durations) => Ok(Outcome::Applied(durations)),
            Err(stop) => self.stopped(scripts, who, stop),
        }
    }

    fn names(&mut self, sql: &str) -> Result<Vec<String>, Trouble> {
        self.unchain()?;
        let rows = self.wire.ask(sql).map_err(|fault| self.explain(&fault))?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
    }

    fn settle(&mut self, row: &Row, decision: &super::Decision) -> Result<(), Trouble> {
        self.unchain()?;
        self.bring_up_to_date()?;
        self.decide(row, decision).map_err(|fault| {
            self.wire.take_back();
            self.explain(&fault)
        })
    }
}
