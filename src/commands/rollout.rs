//! Rolling out: for each target of a branch's environments, in order: open, lock, read history, plan, run, record.
//!
//! What is to do is always the tip of the branch minus the history, never what a push brought. The first failure
//! stops later versions of that database and its later environments; other databases go on.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use crate::check::{Reading, read_path};
use crate::commands::changes::{Manifest, Source, base_directories, manifest};
use crate::commands::ledger::{self, takes};
use crate::commands::scripts::{bytes, conflict, declared_flavour, prepare};
use crate::commands::server::Loaded;
use crate::config::Dialect;
use crate::config::server::{Audience, Target};
use crate::engine::{Access, Connecting, Outcome, Provenance, Script, Session, Terms, Trouble, engine_of};
use crate::finding::{Report, Severity};
use crate::git::refs::{Branch, tree_of};
use crate::git::repository::Repository;
use crate::history::{Mode, Row, Said};
use crate::host;
use crate::migration::{FileEntry, FileMode, Migration};
use crate::plan::{Conflict, Plan, Policy, Step, plan};
use crate::render::rollout::{Standing, StepView, TargetView};
use crate::rules::order::OUT_OF_ORDER;
use crate::sql::checksum::checksums;

/// How long a question that changes nothing waits for a busy database.
pub const READ_WAIT: Duration = Duration::from_secs(5);

/// What a rollout tells while it runs.
pub enum Event<'e> {
    /// A target is waited for: its label and who holds it.
    Waiting(&'e str, &'e str),
    /// A step ended: the target's label and the step.
    Step(&'e str, &'e StepView),
    /// Something is said while a step runs: the target's label and what.
    Said(&'e str, &'e Said<'e>),
    /// A target ended.
    Target(&'e TargetView),
}

/// Which targets, and what is done with them.
pub struct Order<'o> {
    /// Only this environment.
    pub environment: Option<&'o str>,
    /// Only this database.
    pub database: Option<&'o str>,
    /// Whether plans are only shown.
    pub dry: bool,
    /// Who pushed, and what runs it.
    pub provenance: Provenance,
    /// Asked before each step: whether to stop.
    pub stop: &'o dyn Fn() -> bool,
}

/// Rolls out the tip of a branch. Mistakes in the manifest of the tip come back as a report.
///
/// # Errors
/// If the repository cannot be read.
pub fn roll_out(
    repository: &Repository,
    loaded: &Loaded,
    branch: &Branch,
    order: &Order<'_>,
    tell: &mut dyn FnMut(Event<'_>),
) -> Result<Result<Vec<TargetView>, Report>> {
    let source = Source::Tree(repository, tree_of(repository, &branch.tip)?);
    let manifest = match manifest(&source)? {
        Ok(manifest) => manifest,
        Err(report) => return Ok(Err(report)),
    };
    let targets: Vec<&Target> = loaded.server.targets_of(&branch.name).collect();
    let enter = |folder: &str| targets.iter().any(|target| reaches(&manifest, target, folder));
    let migrations = migrations_where(&source, &manifest, &enter)?;
    let mut stopped: BTreeSet<String> = BTreeSet::new();
    let mut views = Vec::new();
    for environment in loaded.server.served_by(&branch.name) {
        let here = |target: &&Target| {
            target.environment == environment.name
                && order.environment.is_none_or(|name| name == target.environment.as_str())
                && order.database.is_none_or(|name| name == target.audience.database().as_str())
        };
        for target in loaded.server.targets.iter().filter(here) {
            let database = target.audience.database().to_string();
            let work =
                Work { source: &source, manifest: &manifest, migrations: &migrations, target, loaded, order, branch };
            let mut view = work.blank();
            if stopped.contains(&database) && !order.dry {
                work.hold_back(&mut view, repository);
            } else {
                work.run(&mut view, tell, repository);
            }
            if view.standing.is_bad() {
                stopped.insert(database);
            }
            tell(Event::Target(&view));
            views.push(view);
        }
    }
    Ok(Ok(views))
}

/// Says whether a folder may hold migrations of a target.
fn reaches(manifest: &Manifest, target: &Target, folder: &str) -> bool {
    let environment = Some(target.environment.as_str());
    manifest.settings.projects.iter().any(|project| match (&target.audience, &project.group) {
        (Audience::Database(name), None) => project.template.reaches(folder, environment, Some(name.as_str())),
        (Audience::Group(name, _), Some(group)) => name == group && project.template.reaches(folder, None, None),
        _ => false,
    })
}

/// Connects to a target.
///
/// # Errors
/// If its URL cannot be had, or the database cannot be opened.
pub fn open(
    target: &Target,
    loaded: &Loaded,
    access: Access,
    wait: Duration,
) -> Result<(Box<dyn Session>, Dialect), Trouble> {
    let url = host::url(&target.url, &loaded.folder)
        .map_err(|error| Trouble::new(format!("{error:#}"), "mend `url` of this target in the server file"))?;
    let engine = engine_of(&url)?;
    let how =
        Connecting { folder: &loaded.folder, access, wait, schema: &target.history_schema, session: &target.session };
    Ok(((engine.connect)(&url, &how)?, engine.dialect))
}

/// All migrations of a state, under its manifest.
///
/// # Errors
/// If the files cannot be listed.
pub fn migrations(source: &Source<'_>, manifest: &Manifest) -> Result<Vec<Migration>> {
    migrations_where(source, manifest, &|_| true)
}

/// The migrations in the folders of a tree that `enter` lets in.
fn migrations_where(source: &Source<'_>, manifest: &Manifest, enter: &dyn Fn(&str) -> bool) -> Result<Vec<Migration>> {
    let files = source.files_where(&base_directories([&manifest.settings]), enter)?;
    let read = |entry: FileEntry| match read_path(&manifest.settings, &entry.path, &entry.blob) {
        Reading::Migration(_, migration) if entry.mode == FileMode::Regular => Some(*migration),
        _ => None,
    };
    Ok(files.into_iter().filter_map(read).collect())
}

/// One target's work.
struct Work<'w> {
    source: &'w Source<'w>,
    manifest: &'w Manifest,
    migrations: &'w [Migration],
    target: &'w Target,
    loaded: &'w Loaded,
    order: &'w Order<'w>,
    branch: &'w Branch,
}

impl Work<'_> {
    fn blank(&self) -> TargetView {
        TargetView {
            branch: self.branch.name.clone(),
            commit: self.branch.tip.to_string(),
            environment: self.target.environment.to_string(),
            database: self.target.audience.database().to_string(),
            standing: Standing::Current,
            applied_before: 0,
            steps: Vec::new(),
            error: None,
            left: None,
            conflicts: Vec::new(),
            notes: Vec::new(),
            trouble: None,
            help: None,
        }
    }

    /// The terms under which files run here, unless they say others.
    fn terms(&self) -> Terms {
        let environment = self.loaded.server.environment(&self.target.environment);
        Terms {
            lock_timeout: environment.map(|environment| environment.lock_timeout),
            statement_timeout: environment.and_then(|environment| environment.statement_timeout),
            isolation: None,
            patience: self.target.lock_wait,
        }
    }

    fn run(&self, view: &mut TargetView, tell: &mut dyn FnMut(Event<'_>), repository: &Repository) {
        if let Err(trouble) = self.work(view, tell, repository) {
            unreachable_target(view, trouble);
        }
    }

    /// Looks first without a lock; only what is pending is locked, planned again and run.
    fn work(
        &self,
        view: &mut TargetView,
        tell: &mut dyn FnMut(Event<'_>),
        repository: &Repository,
    ) -> Result<(), Trouble> {
        let patience = if self.order.dry { READ_WAIT.min(self.target.lock_wait) } else { self.target.lock_wait };
        let (mut session, dialect) = open(self.target, self.loaded, Access::Read, patience)?;
        let rows = session.history()?;
        drop(session);
        let plan = self.plan(&rows, dialect);
        if self.order.dry || (plan.steps.is_empty() && plan.conflicts.is_empty()) {
            self.show(view, plan, dialect);
            self.remember(&rows, &[], view, repository);
            return Ok(());
        }
        let label = self.target.label();
        let (mut session, _) = open(self.target, self.loaded, Access::Write, self.target.lock_wait)?;
        session.lock(self.target.lock_wait, &mut |holder| tell(Event::Waiting(&label, holder)))?;
        session.prepare()?;
        let rows = session.history()?;
        let plan = self.plan(&rows, dialect);
        let steps = plan.steps.clone();
        self.show(view, plan, dialect);
        let result = match view.standing {
            Standing::Pending => {
                self.remember(&rows, &steps, view, repository);
                self.execute(session.as_mut(), dialect, &steps, view, tell)
            }
            _ => Ok(()),
        };
        if let Ok(rows) = session.history() {
            self.remember(&rows, &[], view, repository);
        }
        result
    }

    /// Writes down what the target has run, for the judge of the next push.
    fn remember(&self, rows: &[Row], about_to_run: &[Step], view: &mut TargetView, repository: &Repository) {
        if !self.order.dry
            && let Err(error) =
                ledger::keep(&repository.common_dir, self.target, rows, about_to_run.iter().map(|step| &step.migration))
        {
            view.notes.push(format!("the ledger of this target could not be written: {error:#}"));
        }
    }

    /// A target that is held back is only asked what it has run.
    fn hold_back(&self, view: &mut TargetView, repository: &Repository) {
        view.standing = Standing::HeldBack;
        view.help = Some("mend the earlier environment; the next push or `schemagate sync` goes on here".to_owned());
        if let Ok((mut session, _)) = open(self.target, self.loaded, Access::Read, READ_WAIT)
            && let Ok(rows) = session.history()
        {
            self.remember(&rows, &[], view, repository);
        }
    }

    /// Runs the steps, each in its own transaction or all in one. Files are read as their turn comes.
    fn execute(
        &self,
        session: &mut dyn Session,
        dialect: Dialect,
        steps: &[Step],
        view: &mut TargetView,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Trouble> {
        let label = self.target.label();
        let size = if self.target.atomic_push { steps.len().max(1) } else { 1 };
        for (number, batch) in steps.chunks(size).enumerate() {
            if (self.order.stop)() {
                view.standing = Standing::Failed;
                view.left =
                    Some("the program was asked to end and stopped between two files; nothing is half done".to_owned());
                view.help = Some("schemagate sync".to_owned());
                return Ok(());
            }
            let first = number * size;
            let ready = batch.iter().map(|step| prepare(self.source, self.manifest, step, dialect, &self.terms()));
            let scripts = match ready.collect::<Result<Vec<Script>, Conflict>>() {
                Ok(scripts) => scripts,
                Err(conflict) => {
                    view.standing = Standing::Conflict;
                    view.conflicts.push(conflict);
                    return Ok(());
                }
            };
            let ran = session.run(&scripts, &self.order.provenance, &mut |said| tell(Event::Said(&label, &said)))?;
            match ran {
                Outcome::Applied(durations) => {
                    for (offset, duration) in durations.iter().enumerate() {
                        let step = &mut view.steps[first + offset];
                        step.outcome = "applied";
                        step.duration_us = duration.as_micros();
                        tell(Event::Step(&label, step));
                    }
                }
                Outcome::Failed { script, error, left, help } => {
                    let step = &mut view.steps[first + script];
                    step.outcome = "failed";
                    tell(Event::Step(&label, step));
                    view.standing = Standing::Failed;
                    view.error = Some(error);
                    view.left = Some(left);
                    view.help = Some(help);
                    return Ok(());
                }
            }
        }
        view.standing = Standing::Applied;
        Ok(())
    }

    /// Plans every project for this target, one after the other.
    fn plan(&self, rows: &[Row], dialect: Dialect) -> Plan {
        let mut whole = Plan::default();
        for project in &self.manifest.settings.projects {
            let mine = |migration: &&Migration| {
                migration.project == project.name && takes(self.target, migration, project.group.as_deref())
            };
            let migrations: Vec<Migration> = self.migrations.iter().filter(mine).cloned().collect();
            let rows: Vec<Row> = rows.iter().filter(|row| row.project == project.name).cloned().collect();
            let floor = self.loaded.server.policy.severities.get(OUT_OF_ORDER.name).copied();
            let severity =
                floor.map_or(project.severity(&OUT_OF_ORDER), |floor| floor.max(project.severity(&OUT_OF_ORDER)));
            let policy = Policy { out_of_order: severity < Severity::Error };
            let part = plan(&migrations, &rows, policy, &mut |migration| {
                let flavour = declared_flavour(self.manifest, migration).unwrap_or_else(|| dialect.into());
                bytes(self.source, migration, project.largest_file).ok().map(|bytes| checksums(&bytes, flavour))
            });
            whole.applied += part.applied;
            whole.steps.extend(part.steps);
            whole.conflicts.extend(part.conflicts);
            whole.notes.extend(part.notes);
        }
        if !whole.conflicts.is_empty() {
            whole.steps.clear();
        }
        whole
    }

    /// Takes a plan into the view, and says what of it cannot run. With a conflict nothing is to run.
    fn show(&self, view: &mut TargetView, plan: Plan, dialect: Dialect) {
        view.applied_before = plan.applied;
        view.notes = plan.notes;
        view.conflicts = plan.conflicts;
        for step in &plan.steps {
            let script = match prepare(self.source, self.manifest, step, dialect, &self.terms()) {
                Ok(script) => script,
                Err(conflict) => {
                    view.conflicts.push(conflict);
                    continue;
                }
            };
            let earlier = script.earlier.as_ref().and_then(|row| row.error.clone());
            if let Some(error) = earlier.filter(|_| self.order.dry) {
                view.error.get_or_insert(error);
            }
            if script.mode == Mode::Journal && self.target.atomic_push && plan.steps.len() > 1 {
                let message =
                    "this file cannot run in a transaction, and this target runs a push in one (atomic = \"push\")";
                view.conflicts.push(conflict(&script.migration, message, "push it alone, or set atomic = \"file\""));
            }
            view.steps.push(self.step_view(&script));
        }
        view.standing = match (view.conflicts.is_empty(), view.steps.is_empty()) {
            (false, _) => Standing::Conflict,
            (true, false) => Standing::Pending,
            (true, true) => Standing::Current,
        };
    }

    fn step_view(&self, script: &Script) -> StepView {
        StepView {
            version: script.migration.version.as_str().to_owned(),
            kind: script.migration.kind.word().to_owned(),
            description: script.migration.description.clone(),
            path: script.migration.path.display(),
            outcome: if self.order.dry { "pending" } else { "not-run" },
            earlier: script.earlier.as_ref().map(|row| row.state.word()),
            statements: script.statements.len(),
            from_statement: script.done + 1,
            duration_us: 0,
        }
    }
}

fn unreachable_target(view: &mut TargetView, trouble: Trouble) {
    view.standing = Standing::Unreachable;
    view.trouble = Some(trouble.message);
    view.help = Some(trouble.help);
}
