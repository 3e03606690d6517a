//! What a target's work will be, before any of it is done.
//!
//! All that can be known to keep a file from running is found here, so that nothing begins that could not end. Refuses to
//! run anything.

use crate::commands::scripts::{conflict, prepare};
use crate::commands::work::Work;
use crate::config::flavour::Flavour;
use crate::engine::Script;
use crate::history::{Mode, Row, State};
use crate::plan::{Conflict, Plan, Step};
use crate::render::rollout::{Standing, StepView, TargetView};

/// Scripts of so many bytes together are kept between plan and run; all where they run in one transaction.
const MOST_READY: usize = 3 << 18;
/// What a script takes beside its text, about.
const BESIDE_TEXT: usize = 2048;

/// What is to run.
pub(super) struct Pending {
    /// The steps.
    pub(super) steps: Vec<Step>,
    /// Their scripts as far as they may be kept in memory.
    pub(super) ready: Vec<Option<Script>>,
    /// How many steps run together, one after the other; behind them each runs by itself.
    pub(super) together: Vec<usize>,
}

impl Work<'_> {
    /// Takes a plan into the view, and says what of it cannot run. With a conflict nothing is to run.
    pub(super) fn show(&self, view: &mut TargetView, plan: Plan, server: Flavour) -> Pending {
        let (mut ready, mut size, mut alone, mut odd) = (Vec::new(), 0, 0, Vec::new());
        let (terms, options) = (self.terms(), self.target.options().into());
        view.applied_before = plan.applied;
        view.notes = plan.notes;
        view.conflicts = plan.conflicts;
        for step in &plan.steps {
            let script = match prepare(self.source, self.manifest, step, server, (&terms, &options)) {
                Ok(script) => script,
                Err(conflict) => {
                    view.conflicts.push(conflict);
                    continue;
                }
            };
            let earlier = script.earlier.as_ref().and_then(|row| row.error.clone());
            if let Some(error) = earlier.filter(|_| self.dry) {
                view.error.get_or_insert(error);
            }
            if self.target.manner.atomic_push {
                alone = if script.is_left_in_part() { view.steps.len() + 1 } else { alone };
                odd.extend(self.not_together(&script).map(|conflict| (view.steps.len(), conflict)));
            }
            view.steps.push(self.step_view(&script));
            size += BESIDE_TEXT + script.statements.iter().map(|statement| statement.text.len()).sum::<usize>();
            let kept = size <= MOST_READY || self.target.manner.atomic_push;
            ready.push(Some(script).filter(|_| kept && !self.dry));
        }
        let mut together = Vec::new();
        if self.target.manner.atomic_push {
            together = batches(&plan.steps, alone, &mut odd);
            view.conflicts.extend(odd.into_iter().map(|(_, conflict)| conflict));
        }
        view.standing = match (view.conflicts.is_empty(), view.steps.is_empty()) {
            (false, _) => Standing::Conflict,
            (true, false) => Standing::Pending,
            (true, true) => Standing::Current,
        };
        Pending { steps: plan.steps, ready, together }
    }

    /// What keeps a script from sharing a transaction with others.
    fn not_together(&self, script: &Script) -> Option<Conflict> {
        let what = if script.mode == Mode::Journal {
            "this file cannot run in a transaction, and this target runs a push in one (atomic = \"push\")"
        } else if script.terms != self.terms() {
            "this file has directives of its own, and this target runs a push in one transaction"
        } else {
            return None;
        };
        Some(conflict(&script.migration, what, "push it alone, or set atomic = \"file\""))
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
            mend: (self.dry && failed).then(|| self.mend(&script.migration)),
            decided: failed && script.earlier.as_ref().is_some_and(|row| row.error.is_none()),
            statements: script.statements.len(),
            from_statement: script.done + 1,
            duration_us: 0,
        }
    }
}

/// How many steps share a transaction, one after the other. What an earlier run left in part, up to `alone`, runs by itself,
/// with what comes before it; the others together. Takes from `odd` those that can run as they are.
fn batches(steps: &[Step], alone: usize, odd: &mut Vec<(usize, Conflict)>) -> Vec<usize> {
    let mut sizes = vec![1; alone];
    odd.retain(|(at, _)| *at >= alone);
    // An earlier run tried these, and took them back together: who pushes one file more pushes it alone.
    let tried = steps.iter().rposition(|step| step.earlier.is_some()).map_or(0, |last| last + 1).max(alone);
    let last = steps.len().saturating_sub(1);
    if matches!(odd[..], [(at, _)] if at == last && tried >= last) {
        odd.clear();
        sizes.extend([last.saturating_sub(alone), 1].into_iter().filter(|size| *size > 0));
    } else if steps.len() > alone {
        sizes.push(steps.len() - alone);
    }
    sizes
}

/// Says who began a migration that is running, and how far it came.
fn begun(row: &Row) -> String {
    let when = row.started_at.get(..19).unwrap_or(&row.started_at);
    format!(
        "begun {when} UTC by process {} on {} for {}, {} of {} statements recorded",
        row.process_id, row.host, row.pusher, row.statements_done, row.statements_total
    )
}
