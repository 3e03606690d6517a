//! Running what is pending on one target, one part after the other.
//!
//! A part is a file, or several that share a transaction. The first failure ends it. Refuses to know what is pending, and
//! how a session runs a script.

use std::collections::VecDeque;

use crate::commands::preview::{Pending, by_itself};
use crate::commands::rollout::Event;
use crate::commands::scripts::prepare;
use crate::commands::work::{Work, broken};
use crate::config::flavour::Flavour;
use crate::engine::{Outcome, Script, Session};
use crate::plan::{Conflict, Step};
use crate::render::rollout::{Standing, TargetView};

impl Work<'_> {
    /// Runs the steps, each in its own transaction or several in one. Files that are not ready are read as their turn comes.
    pub(super) fn execute(
        &self,
        session: &mut dyn Session,
        server: Flavour,
        pending: Pending,
        view: &mut TargetView,
        tell: &mut dyn FnMut(Event<'_>),
    ) {
        let label = self.target.label();
        let Pending { steps, mut ready, mut together } = pending;
        let mut first = 0;
        while first < steps.len() {
            if (self.order.stop)() {
                view.standing = Standing::Failed;
                view.left =
                    Some("the program was asked to end and stopped between two files; nothing is half done".to_owned());
                view.help = Some("schemagate sync".to_owned());
                return;
            }
            let part = &steps[first..first + together.pop_front().unwrap_or(1)];
            let scripts = match self.scripts(part, &mut ready, server) {
                Ok(scripts) => scripts,
                Err(conflict) => {
                    view.standing = Standing::Conflict;
                    view.conflicts.push(conflict);
                    return;
                }
            };
            let ran = session.run(&scripts, &self.order.provenance, &mut |said| tell(Event::Said(&label, &said)));
            match ran {
                Ok(Outcome::Applied(durations)) => {
                    for (offset, duration) in durations.iter().enumerate() {
                        let step = &mut view.steps[first + offset];
                        step.outcome = "applied";
                        step.duration_us = duration.as_micros();
                        tell(Event::Step(&label, step));
                    }
                    first += part.len();
                }
                Ok(Outcome::Apart(index)) => {
                    let path = part[index].migration.path.display();
                    view.notes.push(by_itself(&path, "changes a table without transactions"));
                    for size in [part.len() - index - 1, 1, index].into_iter().filter(|size| *size > 0) {
                        together.push_front(size);
                    }
                    scripts.into_iter().rev().for_each(|script| ready.push_front(Some(script)));
                }
                Ok(Outcome::Failed { script, error, left, help }) => {
                    let step = &mut view.steps[first + script];
                    step.outcome = "failed";
                    tell(Event::Step(&label, step));
                    view.standing = Standing::Failed;
                    view.source = scripts.get(script).and_then(|script| script.line(&error));
                    view.error = Some(error);
                    view.left = Some(left);
                    view.help = Some(help);
                    return;
                }
                Err(trouble) => {
                    // It was begun, and files before it may have run: it is a failure of this file.
                    let step = &mut view.steps[first];
                    step.outcome = "failed";
                    tell(Event::Step(&label, step));
                    return broken(view, Standing::Failed, trouble);
                }
            }
        }
        view.standing = Standing::Applied;
    }

    /// The scripts of a part: those that are ready, and the others.
    fn scripts(
        &self,
        part: &[Step],
        ready: &mut VecDeque<Option<Script>>,
        server: Flavour,
    ) -> Result<Vec<Script>, Conflict> {
        let (terms, options) = (self.terms(), self.target.options().into());
        let script = |step: &Step| match ready.pop_front().flatten() {
            Some(script) => Ok(script),
            None => prepare(self.source, self.manifest, step, server, (&terms, &options)),
        };
        part.iter().map(script).collect()
    }
}
