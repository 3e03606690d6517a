//! One target: open, look, lock, plan, run, record.
//!
//! What is to do is the tip of the branch minus the history, never what a push brought. Looks without a lock first; only
//! what is pending is locked, planned again and run. Refuses to know other targets.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::commands::changes::{Manifest, Source};
use crate::commands::ledger;
use crate::commands::rollout::{Event, Order, READ_WAIT, open};
use crate::commands::same_database::{no_other_has_it, no_other_has_its_history};
use crate::commands::scripts::{bytes, declared_flavour};
use crate::commands::server::Loaded;
use crate::config::flavour::Flavour;
use crate::config::manifest::Project;
use crate::config::server::Target;
use crate::engine::{Access, Decision, Session, Terms, Trouble};
use crate::finding::Severity;
use crate::git::refs::Branch;
use crate::git::repository::Repository;
use crate::history::{Row, faster};
use crate::migration::{Migration, Place};
use crate::plan::{Plan, Policy, Step, plan};
use crate::render::rollout::{Standing, TargetView};
use crate::rules::order::OUT_OF_ORDER;
use crate::sql::checksum::checksums;
use crate::text::{count, enumerate};

/// What is said of a database that got a name of its own.
const A_COPY: &str = "this database is a copy, or was moved: from now on it is known by a name of its own";

/// One target's work.
pub struct Work<'w> {
    /// The state that is rolled out.
    pub source: &'w Source<'w>,
    /// Its manifest.
    pub manifest: &'w Manifest,
    /// Its migrations.
    pub migrations: &'w [Migration],
    /// The target.
    pub target: &'w Target,
    /// The server file.
    pub loaded: &'w Loaded,
    /// What is asked for.
    pub order: &'w Order<'w>,
    /// The branch.
    pub branch: &'w Branch,
    /// Whether its plan is only shown.
    pub dry: bool,
    /// What may run at most: what earlier environments have applied.
    pub most: Option<BTreeSet<Place>>,
}

impl Work<'_> {
    /// The terms under which files run here, unless they say others.
    pub(super) fn terms(&self) -> Terms {
        let environment = self.loaded.server.environment(&self.target.environment);
        Terms {
            lock_timeout: environment.map(|environment| environment.lock_timeout),
            statement_timeout: environment.and_then(|environment| environment.statement_timeout),
            isolation: None,
            foreign_keys: None,
            patience: self.target.manner.lock_wait,
        }
    }

    /// Does the work; what goes wrong is in the view.
    pub fn run(&self, view: &mut TargetView, tell: &mut dyn FnMut(Event<'_>), repository: &Repository) {
        if let Err(trouble) = self.work(view, tell, repository) {
            broken(view, Standing::Unreachable, trouble);
        }
    }

    /// Looks first without a lock; only what is pending is locked, planned again and run.
    fn work(
        &self,
        view: &mut TargetView,
        tell: &mut dyn FnMut(Event<'_>),
        repository: &Repository,
    ) -> Result<(), Trouble> {
        let patience =
            if self.dry { READ_WAIT.min(self.target.manner.lock_wait) } else { self.target.manner.lock_wait };
        no_other_has_it(self.loaded, self.target)?;
        let (mut session, server) = open(self.target, self.loaded, Access::Read, patience)?;
        let rows = session.history()?;
        let name = session.identity().name;
        let known = ledger::known(&repository.common_dir, self.target);
        let mut notes = self.told_apart(session.as_mut(), &known, &rows)?;
        drop(session);
        let plan = self.plan(&rows, server);
        if self.dry || plan.asks_nothing() {
            self.show(view, plan, server);
            view.notes.append(&mut notes);
            self.remember(&name, &rows, false, view, repository);
            return Ok(());
        }
        let label = self.target.label();
        let (mut session, _) = open(self.target, self.loaded, Access::Write, self.target.manner.lock_wait)?;
        let last = rows.last().map_or(0, |row| row.seq);
        // From here on a push may not change what is about to run; if somebody else is at work, what is written stays.
        let ledger = || ledger::as_it_stands(&repository.common_dir, self.target);
        let before = ledger();
        self.announce(&name, &rows, (&plan.steps, false), repository)?;
        let announced = ledger();
        drop(plan);
        let locked = session.lock(self.target.manner.lock_wait, &mut |holder| tell(Event::Waiting(&label, holder)));
        let ready = locked.and_then(|()| session.prepare()).and_then(|()| {
            no_other_has_its_history(self.loaded, self.target, session.as_ref(), &repository.common_dir)
        });
        if let Err(trouble) = ready {
            // Nothing runs, so nothing is about to.
            ledger::put_back(&repository.common_dir, self.target, before.as_deref(), announced.as_deref());
            self.remember(&name, &rows, false, view, repository);
            return Err(trouble);
        }
        drop(rows);
        let rows = session.history()?;
        let plan = self.plan(&rows, server);
        notes.extend(faster(&rows, last));
        for renewal in &plan.renewals {
            let content = renewal.content(&self.order.provenance.commit);
            session.settle(&renewal.row, &Decision::Accept(content))?;
        }
        let pending = self.show(view, plan, server);
        let identity = session.identity();
        notes.extend(identity.was.as_ref().map(|_| A_COPY.to_owned()));
        view.notes.append(&mut notes);
        let name = &identity.name;
        if view.standing == Standing::Pending {
            self.announce(name, &rows, (&pending.steps, true), repository)?;
            drop(rows);
            self.execute(session.as_mut(), server, pending, view, tell);
        } else if view.standing == Standing::Conflict {
            // Nothing ran, so nothing is about to; and who runs nothing forgets nothing.
            ledger::put_back(&repository.common_dir, self.target, before.as_deref(), announced.as_deref());
        }
        match session.history() {
            Ok(rows) => self.remember(name, &rows, view.standing != Standing::Conflict, view, repository),
            Err(trouble) => view.notes.push(format!(
                "what is applied could not be read at the end ({}): until the next run no push may change these files",
                trouble.message
            )),
        }
        Ok(())
    }

    /// Writes down what the target has run, for the judge of the next push; `locked` if its lock is held.
    fn remember(&self, name: &str, rows: &[Row], locked: bool, view: &mut TargetView, repository: &Repository) {
        let mut none = std::iter::empty();
        if !self.order.dry
            && let Err(error) = ledger::keep(&repository.common_dir, self.target, name, rows, &mut none, locked)
        {
            view.notes.push(format!("the ledger of this target could not be written: {error:#}"));
        }
    }

    /// The same with what is about to run: what could not be written down does not run, as the next push may change it.
    fn announce(
        &self,
        name: &str,
        rows: &[Row],
        (about_to_run, locked): (&[Step], bool),
        repository: &Repository,
    ) -> Result<(), Trouble> {
        let mut migrations = about_to_run.iter().map(|step| &step.migration);
        ledger::keep(&repository.common_dir, self.target, name, rows, &mut migrations, locked).map_err(|error| {
            Trouble::new(
                format!("the ledger of this target could not be written, so nothing ran: {error:#}"),
                "let the user of the hooks write there, and free some space; then schemagate sync",
            )
        })
    }

    /// Compares a database with what is known of this target from before: it may have been made anew, restored, or be
    /// another one.
    fn told_apart(
        &self,
        session: &mut dyn Session,
        known: &ledger::Known,
        rows: &[Row],
    ) -> Result<Vec<String>, Trouble> {
        let identity = session.identity();
        let gone = count(known.ran.len(), "migration");
        if identity.name.is_empty() {
            if known.ran.is_empty() && !known.unreadable || self.order.as_new {
                return Ok(Vec::new());
            }
            let gone = if known.unreadable { "what is not known (its ledger cannot be read)".to_owned() } else { gone };
            if session.is_empty()? {
                return Ok(vec![format!(
                    "the database was made anew: {gone} had run on the one before; all run from the first one on"
                )]);
            }
            return Err(self.history_is_gone(&gone));
        }
        let there: BTreeSet<Place> = rows.iter().map(Row::place).collect();
        let lost: BTreeSet<&Place> = known.ran.iter().filter(|place| !there.contains(*place)).collect();
        let another = !known.database.is_empty() && known.database != identity.known_as();
        // Somebody else with files for this database may have begun a new history in place of the one that is gone.
        let begun_anew = another && !lost.is_empty() && lost.len() == known.ran.len() && !self.order.as_new;
        if begun_anew && !session.is_empty()? {
            return Err(self.history_is_gone(&gone));
        }
        let mut notes = Vec::new();
        if another {
            notes.push("this is another database than the one that this target had before".to_owned());
        }
        if !lost.is_empty() {
            notes.push(self.older(&lost));
        }
        Ok(notes)
    }

    fn history_is_gone(&self, gone: &str) -> Trouble {
        Trouble::new(
            format!("the history of this database is gone: {gone} had run here, and there are tables still"),
            format!(
                "restore the tables of the history (schemagate_...) from a backup; if everything is to run from the first \
                 migration on: schemagate apply --as-new {}",
                self.target.options()
            ),
        )
    }

    /// What a database lacks that is older than what ran on it.
    fn older(&self, lost: &BTreeSet<&Place>) -> String {
        let again: Vec<String> = self
            .migrations
            .iter()
            .filter(|migration| lost.contains(&migration.place()))
            .map(|migration| format!("{} {}", migration.version, migration.kind))
            .collect();
        let mut note = "the database is older than what ran on it (restored from a backup?)".to_owned();
        if !again.is_empty() {
            let _ = write!(note, ": {} of its migrations run again: {}", again.len(), enumerate(&again, 9));
        }
        let gone = lost.len() - again.len();
        if gone > 0 {
            let _ =
                write!(note, "; {} cannot, as the files are gone: what they did is missing", count(gone, "migration"));
        }
        note
    }

    /// A target that is held back is only asked what it has run.
    pub fn hold_back(&self, view: &mut TargetView, repository: &Repository) {
        view.standing = Standing::HeldBack;
        view.help = Some("mend the earlier environment; the next push or `schemagate sync` goes on here".to_owned());
        if let Ok((mut session, _)) = open(self.target, self.loaded, Access::Read, READ_WAIT)
            && let Ok(rows) = session.history()
        {
            self.remember(&session.identity().name, &rows, false, view, repository);
        }
    }

    /// Plans every project for this target, one after the other.
    fn plan(&self, rows: &[Row], server: Flavour) -> Plan {
        let mut whole = Plan::default();
        let mine = |project: &&Project| self.target.audience.takes_project(project.group.as_deref());
        for project in self.manifest.settings.projects.iter().filter(mine) {
            let mine = |migration: &&Migration| {
                migration.project == project.name && self.target.takes(migration, project.group.as_deref())
            };
            let migrations = self.migrations.iter().filter(mine);
            let rows = rows.iter().filter(|row| row.project == project.name);
            let floor = self.loaded.server.policy.lowest(OUT_OF_ORDER.name, None);
            let own = project.severity(&OUT_OF_ORDER, None);
            let severity = floor.map_or(own, |floor| floor.max(own));
            let policy = Policy { out_of_order: severity < Severity::Error, target: &self.target.options() };
            let part = plan(migrations, rows, policy, &mut |migration| {
                let flavour = declared_flavour(self.manifest, migration).unwrap_or(server);
                bytes(self.source, migration, project.largest_file)
                    .ok()
                    .map(|bytes| checksums(&migration.path, &bytes, flavour))
            });
            whole.applied += part.applied;
            whole.steps.extend(part.steps);
            whole.renewals.extend(part.renewals);
            whole.conflicts.extend(part.conflicts);
            whole.notes.extend(part.notes);
        }
        if !whole.conflicts.is_empty() {
            whole.steps.clear();
            whole.renewals.clear();
        }
        self.wait_for_earlier(&mut whole);
        whole
    }

    /// Takes out what earlier environments have not applied, and all that comes behind it.
    fn wait_for_earlier(&self, plan: &mut Plan) {
        let Some(most) = &self.most else { return };
        // What is for this environment alone waits for nobody.
        let waits = |step: &Step| step.migration.environment.is_none() && !most.contains(&step.migration.place());
        let ready = plan.steps.iter().position(waits);
        if let Some(ready) = ready {
            plan.waiting = plan.steps.len() - ready;
            let wait = count(plan.waiting, "migration");
            let first = &plan.steps[ready].migration;
            plan.notes.push(format!(
                "{wait} from version {} {} on wait until earlier environments have applied them",
                first.version, first.kind
            ));
            plan.steps.truncate(ready);
        }
    }
}

pub(super) fn broken(view: &mut TargetView, standing: Standing, trouble: Trouble) {
    view.standing = standing;
    view.trouble = Some(trouble.message);
    view.help = Some(trouble.help);
}
