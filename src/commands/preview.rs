//! What a target's work will be, before any of it is done.
//!
//! All that can be known to keep a file from running is found here, so that nothing begins that could not end. Refuses to
//! run anything.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use crate::commands::changes::Source;
use crate::commands::scripts::prepare;
use crate::commands::work::Work;
use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::config::server::Audience;
use crate::engine::Script;
use crate::engine::remedy::remedy_of;
use crate::history::{Mode, Row, State};
use crate::plan::{Conflict, Plan, Step};
use crate::render::rollout::{Standing, StepView, TargetView};

/// Scripts of so many bytes together are kept between plan and run; all where they run in one transaction.
const MOST_READY: usize = 5 << 19;
/// What a script takes beside its text, about.
const BESIDE_TEXT: usize = 2048;

/// From so many files on, a second thread helps to make them ready.
const MANY: usize = 64;
/// How many scripts that thread makes ready ahead.
const AHEAD: usize = 4;

/// What is to run.
pub(super) struct Pending {
    /// The steps.
    pub(super) steps: Vec<Step>,
    /// Their scripts as far as they may be kept in memory.
    pub(super) ready: VecDeque<Option<Script>>,
    /// How many steps share a transaction, part after part; behind these parts each runs by itself.
    pub(super) together: VecDeque<usize>,
}

impl Work<'_> {
    /// Takes a plan into the view, and says what of it cannot run. With a conflict nothing is to run.
    pub(super) fn show(&self, view: &mut TargetView, plan: Plan, server: Flavour) -> Pending {
        let (mut ready, mut size, mut alone, mut odd) = (VecDeque::new(), 0, 0, BTreeSet::new());
        view.applied_before = plan.applied;
        view.notes = plan.notes;
        view.conflicts = plan.conflicts;
        self.each_ready(&plan.steps, server, &mut |script| {
            let script = match script {
                Ok(script) => script,
                Err(conflict) => return view.conflicts.push(conflict),
            };
            let earlier = script.earlier.as_ref().and_then(|row| row.error.clone());
            if let Some(error) = earlier.filter(|_| self.dry) {
                view.error.get_or_insert(error);
            }
            if self.target.manner.atomic_push {
                alone = if script.is_left_in_part() { view.steps.len() + 1 } else { alone };
                if let Some(why) = self.not_together(&script, server.dialect) {
                    odd.insert(view.steps.len());
                    let path = script.migration.path.display();
                    view.notes.extend((plan.steps.len() > 1).then(|| by_itself(&path, why)));
                }
            }
            view.steps.push(self.step_view(&script));
            size += BESIDE_TEXT + script.statements.iter().map(|statement| statement.text.len()).sum::<usize>();
            let kept = size <= MOST_READY || self.target.manner.atomic_push;
            ready.push_back(Some(script).filter(|_| kept && !self.dry));
        });
        let together = match self.target.manner.atomic_push {
            // What an earlier run left in part runs by itself, with what comes before it.
            true => parts(plan.steps.len(), &|at| at < alone || odd.contains(&at)),
            false => VecDeque::new(),
        };
        view.standing = match (view.conflicts.is_empty(), view.steps.is_empty()) {
            (false, _) => Standing::Conflict,
            (true, false) => Standing::Pending,
            (true, true) if plan.waiting > 0 => Standing::Waiting,
            (true, true) => Standing::Current,
        };
        Pending { steps: plan.steps, ready, together }
    }

    /// Makes the scripts of steps ready, and gives them in their order; every other one of many comes from a thread beside.
    fn each_ready(&self, steps: &[Step], server: Flavour, take: &mut dyn FnMut(Result<Script, Conflict>)) {
        let (manifest, terms, options) = (self.manifest, self.terms(), Arc::<str>::from(self.target.options()));
        let ready = |source: &Source<'_>, step: &Step| prepare(source, manifest, step, server, (&terms, &options));
        // Tenants are worked on side by side already.
        let alone = matches!(self.target.audience, Audience::Database(_));
        let (again, tree) = match self.source {
            Source::Tree(repository, tree) if steps.len() >= MANY && alone => (repository.again(), tree.clone()),
            _ => return steps.iter().for_each(|step| take(ready(self.source, step))),
        };
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(AHEAD);
            let ready = &ready;
            let beside = move || {
                let Ok(repository) = again() else { return };
                let source = Source::Tree(&repository, tree);
                let mut every_other = steps.iter().skip(1).step_by(2);
                // Who waits for it no more wants nothing more.
                while every_other.next().is_some_and(|step| sender.send(ready(&source, step)).is_ok()) {}
            };
            // Where no thread is to be had, nothing comes from there.
            let _ = std::thread::Builder::new().spawn_scoped(scope, beside);
            for (at, step) in steps.iter().enumerate() {
                // What failed there may have failed for its own opening of the repository.
                let received = if at % 2 == 1 { receiver.recv().ok().and_then(Result::ok) } else { None };
                // A copy lies in memory of this thread, which finds it free again for what comes later.
                take(received.clone().map_or_else(|| ready(self.source, step), Ok));
            }
        });
    }

    /// Why a script cannot share a transaction with others, if it cannot.
    fn not_together(&self, script: &Script, dialect: Dialect) -> Option<&'static str> {
        if script.mode == Mode::Journal {
            return Some("cannot run in a transaction");
        }
        if script.terms != self.terms() {
            return Some("has terms of its own");
        }
        // The next file must not meet what it leaves in its session.
        (!script.leaves_the_session(dialect)).then_some("may change its session")
    }

    /// How a script is mended that failed: what helps against that, and then what helps the file.
    fn mend_of(&self, script: &Script) -> String {
        let error = script.earlier.as_ref().and_then(|row| row.error.as_ref());
        let failed_at = error.map_or(0, |error| error.statement);
        let mend = self.mend(&script.migration, failed_at);
        let text = failed_at.checked_sub(1).and_then(|at| script.statements.get(at)).map_or("", |one| &one.text);
        match error.and_then(|error| remedy_of(error, text)) {
            Some(remedy) => format!("{remedy}; then {mend}"),
            None => mend,
        }
    }

    fn step_view(&self, script: &Script) -> StepView {
        let failed = script.earlier.as_ref().is_some_and(|row| row.state == State::Failed);
        StepView {
            version: script.migration.version.as_str().to_owned(),
            kind: script.migration.kind.word().to_owned(),
            description: script.migration.description.clone(),
            path: script.migration.path.display(),
            outcome: if self.dry { "pending" } else { "not-run" },
            earlier: script.earlier.as_ref().map(|row| row.state.word()),
            begun: script.earlier.as_ref().filter(|row| row.state == State::Running).map(|row| begun(row)),
            in_doubt: script.earlier.as_ref().is_some_and(|row| row.statement_open > row.statements_done),
            mend: (self.dry && failed).then(|| self.mend_of(script)),
            decided: failed && script.earlier.as_ref().is_some_and(|row| row.error.is_none()),
            statements: script.statements.len(),
            from_statement: script.done + 1,
            duration_us: 0,
        }
    }
}

/// Says that a file of a push does not share the transaction of the others.
pub(super) fn by_itself(path: &str, why: &str) -> String {
    format!("`{path}` {why}, so it runs by itself, and those before and behind it each in one (atomic = \"push\")")
}

/// How many of so many steps share a transaction, part after part: as many as stand between those that run alone.
fn parts(steps: usize, alone: &dyn Fn(usize) -> bool) -> VecDeque<usize> {
    let mut parts = VecDeque::new();
    let mut open = false;
    for at in 0..steps {
        match parts.back_mut() {
            Some(size) if open && !alone(at) => *size += 1,
            _ => parts.push_back(1),
        }
        open = !alone(at);
    }
    parts
}

/// Says who began a migration that is running, and how far it came.
fn begun(row: &Row) -> String {
    let when = row.started_at.get(..19).unwrap_or(&row.started_at);
    format!(
        "begun {when} UTC by process {} on {} for {}, {} of {} statements recorded",
        row.process_id, row.host, row.pusher, row.statements_done, row.statements_total
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_has_as_few_parts_as_it_can() {
        let sizes = |steps: usize, alone: &[usize]| Vec::from(parts(steps, &|at| alone.contains(&at)));
        assert_eq!(sizes(4, &[]), [4]);
        assert_eq!(sizes(4, &[2]), [2, 1, 1]);
        assert_eq!(sizes(5, &[0, 1]), [1, 1, 3]);
        assert_eq!(sizes(3, &[2]), [2, 1]);
        assert_eq!(sizes(1, &[0]), [1]);
        assert!(sizes(0, &[]).is_empty());
    }
}
