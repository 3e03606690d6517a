//! Rolling out: for each target of a branch's environments, in order: open, lock, read history, plan, run, record.
//!
//! What is to do is always the tip of the branch minus the history, never what a push brought. The first failure
//! stops later versions of that database and its later environments; other databases go on.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Result;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::check::{Reading, read_path};
use crate::commands::changes::{Manifest, Source, base_directories, manifest};
use crate::commands::scripts::{bytes, sums_of};
use crate::commands::server::Loaded;
use crate::commands::work::Work;
use crate::commands::{tenants, waves};
use crate::config::Dialect;
use crate::config::flavour::Flavour;
use crate::config::server::{Audience, DATABASE_MARK, Environment, Target, Tenants};
use crate::data_change::{self, is_manifest};
use crate::engine::{Access, Connecting, Provenance, Session, Trouble, engine_of};
use crate::finding::Report;
use crate::git::refs::{Branch, tree_of};
use crate::git::repository::Repository;
use crate::history::{Row, Said, State};
use crate::host;
use crate::migration::{DatabaseName, EnvironmentName, FileEntry, FileMode, Migration, Place};
use crate::render::rollout::{Standing, StepView, TargetView, WaveView};

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
    /// Work on many targets goes on: a line about it, and for how long.
    Progress(&'e str, Duration),
    /// A target ended.
    Target(&'e TargetView),
    /// A wave of tenants ended.
    Wave(&'e WaveView),
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
    /// Whether a database whose history is gone is taken as a new one.
    pub as_new: bool,
    /// Asked before each step: whether to stop.
    pub stop: &'o (dyn Fn() -> bool + Sync),
}

/// What all targets of a branch's tip share, also those that are worked on at once.
#[derive(Clone, Copy)]
pub(super) struct Common<'r> {
    pub(super) manifest: &'r Manifest,
    pub(super) migrations: &'r [Migration],
    pub(super) loaded: &'r Loaded,
    pub(super) order: &'r Order<'r>,
    pub(super) branch: &'r Branch,
    /// What earlier environments have applied, where that is the same for all of a group.
    pub(super) most: Option<Option<&'r BTreeSet<Place>>>,
}

/// A branch's tip with what is asked of it, read through one opening of the repository.
pub(super) struct Rollout<'r> {
    pub(super) repository: &'r Repository,
    pub(super) source: &'r Source<'r>,
    pub(super) common: Common<'r>,
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
    let groups: Vec<&str> = loaded.server.tenants.iter().map(|tenants| tenants.group.as_str()).collect();
    let enter = |folder: &str| {
        targets.iter().any(|target| reaches(&manifest, target, folder)) || reaches_group(&manifest, &groups, folder)
    };
    let migrations = migrations_where(&source, &manifest, &enter)?;
    let common = Common { manifest: &manifest, migrations: &migrations, loaded, order, branch, most: None };
    let shared = Rollout { repository, source: &source, common };
    let mut stopped = Vec::new();
    let mut views = Vec::new();
    for environment in loaded.server.served_by(&branch.name) {
        if order.environment.is_some_and(|name| name != environment.name.as_str()) {
            continue;
        }
        shared.environment(environment, &mut stopped, &mut views, tell);
    }
    Ok(Ok(views))
}

impl<'r> Rollout<'r> {
    /// Works on the targets of one environment, one after the other; then on its tenants, in waves.
    fn environment(
        &self,
        environment: &Environment,
        stopped: &mut Vec<Audience>,
        views: &mut Vec<TargetView>,
        tell: &mut dyn FnMut(Event<'_>),
    ) {
        let wanted = |name: &str| self.common.order.database.is_none_or(|wanted| wanted == name);
        // What goes wrong here holds back later environments, and nothing of this one.
        let mut bad = Vec::new();
        let targets = self.common.loaded.server.targets.iter();
        for target in targets.filter(|target| target.environment == environment.name) {
            let database = target.audience.database().to_string();
            if !wanted(&database) {
                continue;
            }
            let view = self.target(target, stopped.iter().any(|stopped| target.audience.goes_with(stopped)), tell);
            if view.standing.is_bad() {
                bad.push(target.audience.clone());
            }
            tell(Event::Target(&view));
            views.push(view);
        }
        for tenants in
            self.common.loaded.server.tenants.iter().filter(|tenants| tenants.environment == environment.name)
        {
            let everyone = tenants.audience();
            let held = stopped.iter().any(|stopped| everyone.goes_with(stopped));
            let shown = waves::roll_out(self, tenants, held, &wanted, tell);
            if shown.iter().any(|view| view.standing.is_bad()) {
                bad.push(everyone);
            }
            views.extend(shown);
        }
        stopped.extend(bad);
    }

    /// A target of which nothing is known yet.
    pub(super) fn view(&self, environment: &str, database: &str) -> TargetView {
        TargetView::new(&self.common.branch.name, &self.common.branch.tip.to_string(), environment, database)
    }

    /// Whether an environment is only looked at: its rollout is manual and nobody named it.
    pub(super) fn only_looks(&self, name: &EnvironmentName) -> bool {
        let manual = self.common.loaded.server.is_manual(name);
        self.common.order.dry || manual && self.common.order.environment.is_none()
    }

    /// Whether an environment runs, or would run, only what those before it have applied.
    pub(super) fn waits_for_earlier(&self, name: &EnvironmentName, audience: &Audience) -> bool {
        let manual = self.common.loaded.server.is_manual(name);
        let order = self.common.order;
        // Where all are visited in order the first failure stops the later ones by itself; a plan shows what is left then.
        // What waits for people in between is only looked at.
        let one = order.database.is_some() && (!order.dry || matches!(audience, Audience::Group(..)));
        let mut before = self.before(name);
        order.environment.is_some() || !manual && (one || before.any(|environment| environment.manual))
    }

    /// The environments of the branch that come before one.
    fn before(&self, name: &EnvironmentName) -> impl Iterator<Item = &'r Environment> {
        let served = self.common.loaded.server.served_by(&self.common.branch.name);
        served.take_while(move |environment| environment.name != *name)
    }

    /// The work on one target.
    pub(super) fn work<'w>(&'w self, target: &'w Target) -> Work<'w> {
        let Common { manifest, migrations, loaded, order, branch, .. } = self.common;
        let dry = self.only_looks(&target.environment);
        Work { source: self.source, manifest, migrations, target, loaded, order, branch, dry, most: None }
    }

    /// Works on one target.
    pub(super) fn target(&self, target: &Target, held_back: bool, tell: &mut dyn FnMut(Event<'_>)) -> TargetView {
        let mut work = self.work(target);
        let dry = work.dry;
        let mut view = self.view(target.environment.as_str(), target.audience.database().as_str());
        if let Audience::Group(group, _) = &target.audience {
            view.group = Some(group.clone());
        }
        if held_back && !dry {
            work.hold_back(&mut view, self.repository);
            return view;
        }
        let manual = self.common.loaded.server.is_manual(&target.environment);
        if self.waits_for_earlier(&target.environment, &target.audience) {
            let most = match self.common.most {
                Some(most) => Ok(most.cloned()),
                None => self.applied_earlier(target),
            };
            match most {
                Ok(most) => work.most = most,
                Err(trouble) if dry => {
                    view.notes.push(format!("what may run here is not known: {}", trouble.message));
                    work.most = Some(BTreeSet::new());
                }
                Err(trouble) => {
                    view.standing = Standing::Unreachable;
                    view.trouble = Some(trouble.message);
                    view.help = Some(trouble.help);
                    return view;
                }
            }
        }
        work.run(&mut view, tell, self.repository);
        if manual && dry && view.standing == Standing::Pending {
            view.help = Some(format!("its rollout is manual: schemagate apply --environment {}", target.environment));
        }
        // Of tenants it is said when those of their wave are done.
        if matches!(target.audience, Audience::Database(_)) {
            self.tell_help(target, &mut view);
        }
        view
    }

    /// What all targets of the same database, or all tenants of the same group, in earlier environments have applied;
    /// `None` where there are none.
    pub(super) fn applied_earlier(&self, target: &Target) -> Result<Option<BTreeSet<Place>>, Trouble> {
        let before = |error: Trouble, label: &str| {
            Trouble::new(format!("{label}, which comes before: {}", error.message), error.help)
        };
        let mut most: Option<BTreeSet<Place>> = None;
        let (others, nobody) = self.earlier(target)?;
        if nobody {
            most = Some(BTreeSet::new());
        }
        for other in others {
            let (mut session, _) = open(&other, self.common.loaded, Access::Read, READ_WAIT)
                .map_err(|trouble| before(trouble, &other.label()))?;
            let rows = session.history().map_err(|trouble| before(trouble, &other.label()))?;
            let files = self.files_of(&other);
            let applied = rows.into_iter().filter(|row| matches!(row.state, State::Applied | State::Forgotten));
            let mut applied: BTreeSet<Place> = applied
                .filter(|row| files.get(&row.place()).is_none_or(|file| self.has_content_of(file, row)))
                .map(|row| row.place())
                .collect();
            // What does not concern it holds nobody up.
            let named = |migration: &&Migration| {
                migration.only.as_ref().is_some_and(|names| !names.contains(other.audience.database()))
            };
            let others = self.common.migrations.iter().filter(named);
            applied.extend(others.map(Migration::place));
            most = Some(match most {
                Some(most) => most.intersection(&applied).cloned().collect(),
                None => applied,
            });
        }
        Ok(most)
    }

    /// The migrations that a target takes, by their places.
    fn files_of(&self, target: &Target) -> BTreeMap<Place, &'r Migration> {
        let manifest = self.common.manifest;
        let takes = |migration: &&Migration| target.takes(migration, manifest.group_of(migration));
        self.common.migrations.iter().filter(takes).map(|migration| (migration.place(), migration)).collect()
    }

    /// Says whether a file holds what a row says of it: other content under its version was tried nowhere.
    fn has_content_of(&self, file: &Migration, row: &Row) -> bool {
        let text = || Some(sums_of(self.source, self.common.manifest, file)?.text);
        file.blob.as_str() == row.blob_id || text().is_some_and(|text| text == row.checksum_text)
    }

    /// The targets of the same database, or of the same group, in earlier environments, and whether such a group has
    /// nobody in it: then nothing was tried yet.
    fn earlier(&self, target: &Target) -> Result<(Vec<Target>, bool), Trouble> {
        let server = &self.common.loaded.server;
        let (mut found, mut nobody) = (Vec::new(), false);
        for environment in self.before(&target.environment) {
            let same =
                |other: &&Target| other.environment == environment.name && other.audience.goes_with(&target.audience);
            found.extend(server.targets.iter().filter(same).cloned());
            let group = |tenants: &&Tenants| {
                tenants.environment == environment.name
                    && matches!(&target.audience, Audience::Group(group, _) if *group == tenants.group)
            };
            let before = found.len();
            let mut groups = server.tenants.iter().filter(group).peekable();
            let asked = groups.peek().is_some() && !server.targets.iter().any(|other| same(&other));
            for tenants in groups {
                found.extend(tenants::targets(self.common.loaded, tenants)?);
            }
            nobody |= asked && found.len() == before;
        }
        Ok((found, nobody))
    }
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

/// Says whether a folder may hold migrations of a group.
fn reaches_group(manifest: &Manifest, groups: &[&str], folder: &str) -> bool {
    let mine = |group: &Option<String>| group.as_ref().is_some_and(|group| groups.contains(&group.as_str()));
    let projects = manifest.settings.projects.iter().filter(|project| mine(&project.group));
    projects.into_iter().any(|project| project.template.reaches(folder, None, None))
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
) -> Result<(Box<dyn Session>, Flavour), Trouble> {
    let url = host::url(&target.url, &loaded.folder)
        .map_err(|error| Trouble::new(format!("{error:#}"), "mend `url` of this target in the server file"))?;
    let engine = engine_of(&url)?;
    let name = target.audience.database().as_str();
    let name = if engine.dialect == Dialect::Sqlite { Cow::Borrowed(name) } else { encoded(name) };
    let url = url.replace(DATABASE_MARK, &name);
    let manner = &target.manner;
    let how =
        Connecting { folder: &loaded.folder, access, wait, schema: &manner.history_schema, session: &manner.session };
    let session = (engine.connect)(&url, &how)?;
    let server = Flavour { release: session.release(), ..engine.dialect.into() };
    Ok((session, server))
}

/// Writes a name as a part of a URL (RFC 3986, "Percent-Encoding").
fn encoded(name: &str) -> Cow<'_, str> {
    const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(name, &PLAIN).into()
}

/// All migrations of a state, under its manifest.
///
/// # Errors
/// If the files cannot be listed.
pub fn migrations(source: &Source<'_>, manifest: &Manifest) -> Result<Vec<Migration>> {
    migrations_where(source, manifest, &|_| true)
}

/// The databases that a data change names; one that cannot be read is put before all of them, who then refuse it.
pub(super) fn listed(source: &Source<'_>, migration: &Migration, largest: u64) -> Option<Vec<DatabaseName>> {
    let bytes = bytes(source, migration, largest).ok()?;
    Some(data_change::read(std::str::from_utf8(&bytes).ok()?).ok()?.databases)
}

/// The migrations in the folders of a tree that `enter` lets in.
fn migrations_where(source: &Source<'_>, manifest: &Manifest, enter: &dyn Fn(&str) -> bool) -> Result<Vec<Migration>> {
    let files = source.files_where(&base_directories([&manifest.settings]), enter)?;
    let read = |entry: FileEntry| match read_path(&manifest.settings, &entry.path, &entry.blob) {
        Reading::Migration(project, mut migration) if entry.mode == FileMode::Regular => {
            if is_manifest(&migration.path) {
                migration.only = listed(source, &migration, project.largest_file);
            }
            Some(*migration)
        }
        _ => None,
    };
    Ok(files.into_iter().filter_map(read).collect())
}
