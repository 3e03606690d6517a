//! The judge: what is wrong with a change of the repository.
//!
//! Two steps, both pure. [`Judge::layout`] looks at names, order and immutability and says which files' content must be
//! read; [`Judge::content`] looks at one of these. So contents are read one at a time, and never of unchanged files.
//! Refuses to know where trees and contents come from.

pub mod content;
pub mod reading;
pub mod states;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::content::ToRead;
use self::reading::meant_otherwise;
pub use self::reading::{Reading, read_path};
use self::states::{States, Unchanged, twins, unchanged};

use crate::config::MANIFEST;
use crate::config::manifest::{Project, Settings};
use crate::config::server::Policy;
use crate::finding::{Finding, Place, Rule, Severity};
use crate::migration::{Change, DatabaseName, EnvironmentName, FileEntry, FileMode, Migration, ObjectId, RepoPath};
use crate::rules::naming::KnownNames;
use crate::rules::released::Baseline;
use crate::rules::{naming, order, released};

/// The judge with the law it applies.
pub struct Judge<'a> {
    /// The manifest of the state that is judged.
    pub now: &'a Settings,
    /// The manifest of the state before, where it says something else.
    pub before: Option<&'a Settings>,
    /// The server's floor.
    pub policy: Option<&'a Policy>,
    /// The names that may stand in paths.
    pub known: KnownNames,
    /// What is called released.
    pub baseline: Baseline,
}

/// Which folders must be listed to judge the order of some changes.
pub struct Reach<'s> {
    scopes: BTreeSet<(usize, Option<EnvironmentName>, Option<DatabaseName>)>,
    projects: Vec<&'s Project>,
}

impl Reach<'_> {
    /// Says whether a folder may hold neighbours of the changes.
    pub fn enters(&self, folder: &str) -> bool {
        self.scopes.iter().any(|(project, environment, database)| {
            let environment = environment.as_ref().map(EnvironmentName::as_str);
            let database = database.as_ref().map(DatabaseName::as_str);
            self.projects[*project].template.reaches(folder, environment, database)
        })
    }
}

impl<'a> Judge<'a> {
    /// The manifests that rule, the present one first.
    fn views(&self) -> impl Iterator<Item = &'a Settings> {
        std::iter::once(self.now).chain(self.before)
    }

    /// Says which folders hold the neighbours of the changed migrations.
    pub fn reach(&self, changes: &[Change]) -> Reach<'a> {
        let projects: Vec<&Project> = self.views().flat_map(|view| &view.projects).collect();
        let mut scopes = BTreeSet::new();
        for change in changes {
            let Some((_, blob)) = change.after.as_ref().or(change.before.as_ref()) else { continue };
            for (index, project) in projects.iter().enumerate() {
                if let Some(migration) = project.migration(&change.path, blob) {
                    scopes.insert((index, migration.environment, migration.database));
                }
            }
        }
        if scopes.len() > 64 {
            scopes = (0..projects.len()).map(|index| (index, None, None)).collect();
        }
        Reach { scopes, projects }
    }

    /// Judges names, order and immutability; returns findings and the files whose content is to be judged.
    pub fn layout(&self, states: &States) -> (Vec<Finding>, Vec<ToRead>) {
        let mut findings = self.view(self.now, states, true);
        if let Some(before) = self.before {
            let earlier = self.view(before, states, false);
            findings.extend(earlier.into_iter().map(|mut finding| {
                finding.related.retain(|other| *other.place.name != *MANIFEST);
                finding.note("judged by the manifest as it was before: a change of it counts from the next push on")
            }));
        }
        findings.extend(twins(states).into_iter().map(|finding| self.weigh_anywhere(finding)));
        findings.extend(self.released(states));
        (findings, self.to_read(states))
    }

    /// The files that are new or read otherwise than before, under one manifest.
    fn added<'s>(&self, view: &'a Settings, states: &'s States) -> Vec<(&'s RepoPath, FileMode, &'s ObjectId)> {
        let changed: BTreeSet<&RepoPath> = states.changes.iter().map(|change| &change.path).collect();
        let mut added: Vec<_> = states
            .changes
            .iter()
            .filter_map(|change| change.after.as_ref().map(|(mode, blob)| (&change.path, *mode, blob)))
            .collect();
        if states.unchanged != Unchanged::Skip && std::ptr::eq(view, self.now) {
            let all = states.unchanged == Unchanged::JudgeAll;
            let anew = |entry: &&FileEntry| !changed.contains(&entry.path) && (all || !self.reads_as_before(entry));
            added.extend(states.released.iter().filter(anew).map(|entry| (&entry.path, entry.mode, &entry.blob)));
        }
        added
    }

    fn reads_as_before(&self, entry: &FileEntry) -> bool {
        let Some(before) = self.before else { return false };
        match (read_path(self.now, &entry.path, &entry.blob), read_path(before, &entry.path, &entry.blob)) {
            (Reading::Migration(_, now), Reading::Migration(_, before)) => now == before,
            // Said once for all of them, by `released-reread`.
            (Reading::Mismatch(_), Reading::Migration(..)) => !self.may_reinterpret(),
            (Reading::Mismatch(_), Reading::Mismatch(_)) | (Reading::Outside, Reading::Outside) => true,
            (now, _) => !matches!(now, Reading::Migration(..) | Reading::Mismatch(_) | Reading::Twice(..)),
        }
    }

    /// Judges paths and order under one manifest. Unless `full`, only files that it reads as migrations count.
    fn view(&self, view: &'a Settings, states: &States, full: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut added: BTreeMap<&str, (&Project, Vec<Migration>)> = BTreeMap::new();
        for (path, mode, blob) in self.added(view, states) {
            if !view.projects.iter().any(|project| path.is_under(&project.base)) {
                let near = view.projects.iter().find(|project| path.is_nearly_under(&project.base));
                let miscased = near.filter(|_| full && naming::looks_like_migration(path));
                findings.extend(miscased.map(|project| self.weigh(naming::miscased(project, path), project)));
                continue;
            }
            if let Some(finding) = naming::unreadable(path) {
                findings.push(self.weigh_anywhere(finding));
                continue;
            }
            match read_path(view, path, blob) {
                Reading::Migration(project, migration) => {
                    findings.extend(naming::not_a_file(path, mode));
                    let names = naming::names(project, &migration, &self.known);
                    let counts = |finding: &Finding| full || !is_unknown_name(finding.rule);
                    findings.extend(names.into_iter().filter(counts).map(|finding| self.weigh(finding, project)));
                    let stays = states.unchanged == Unchanged::JudgeAll && unchanged(states, path);
                    if !stays && !was_migration(states, path, view) {
                        added.entry(project.name.as_str()).or_insert_with(|| (project, Vec::new())).1.push(*migration);
                    }
                }
                Reading::Mismatch(project) if full => {
                    findings.push(self.weigh(naming::mismatch(project, path), project));
                }
                Reading::Twice(first, second) if full => findings.push(claimed_twice(path, first, second)),
                _ => {}
            }
        }
        for (project, added) in added.into_values() {
            let anew: BTreeSet<&RepoPath> = added.iter().map(|migration| &migration.path).collect();
            let mut released = self.kept(project, states);
            released.retain(|kept| !anew.contains(&kept.path));
            let judged = order::judge(project, &released, &added);
            findings.extend(judged.into_iter().map(|finding| self.weigh(finding, project)));
        }
        findings
    }

    /// The project of that name in the manifest before.
    pub(crate) fn earlier(&self, project: &Project) -> Option<&'a Project> {
        self.before.and_then(|before| before.projects.iter().find(|other| other.name == project.name))
    }

    /// Says whether the server lets a manifest give released migrations another meaning.
    fn may_reinterpret(&self) -> bool {
        self.policy.is_some_and(|policy| policy.layout_change)
    }

    /// The released migrations of a project that the new state keeps, as the project orders them.
    fn kept(&self, project: &'a Project, states: &States) -> Vec<Migration> {
        let gone: BTreeSet<&RepoPath> =
            states.changes.iter().filter(|change| change.after.is_none()).map(|change| &change.path).collect();
        let earlier = self.earlier(project);
        let read = |entry: &FileEntry| {
            project.migration(&entry.path, &entry.blob).or_else(|| {
                let mut migration = earlier?.migration(&entry.path, &entry.blob)?;
                migration.version_key = project.order.key(migration.version.as_str());
                Some(migration)
            })
        };
        states.released.iter().filter(|entry| !gone.contains(&entry.path)).filter_map(read).collect()
    }

    fn released(&self, states: &States) -> Vec<Finding> {
        let view = self.before.unwrap_or(self.now);
        let mut arrivals: HashMap<&ObjectId, &RepoPath> = HashMap::new();
        for change in states.changes.iter().filter(|change| change.before.is_none()) {
            if let Some((_, blob)) = &change.after {
                arrivals.entry(blob).or_insert(&change.path);
            }
        }
        let judge = |change: &Change| {
            let (_, blob) = change.before.as_ref()?;
            if states.changeable.contains(&change.path) {
                return None;
            }
            let Reading::Migration(_, migration) = read_path(view, &change.path, blob) else { return None };
            let moved = if change.after.is_none() { arrivals.get(blob).copied() } else { None };
            if states.reformatted.contains(&change.path) {
                return Some(released::reformatted(&migration));
            }
            let finding = released::judge(&migration, change, moved, &self.baseline)?;
            Some(match states.ran_on.get(&change.path) {
                Some(why) => why.iter().fold(finding, |finding, why| finding.note(why)),
                None => finding,
            })
        };
        let taken = |(path, taken): (&RepoPath, &released::Taken)| {
            let (_, blob) = states.changes.iter().find(|change| change.path == *path)?.after.as_ref()?;
            let Reading::Migration(project, migration) = read_path(self.now, path, blob) else { return None };
            Some(self.weigh(taken.finding(&migration), project))
        };
        let found = states.changes.iter().filter_map(judge).chain(self.reread(states));
        found.chain(states.taken.iter().filter_map(taken)).collect()
    }

    /// Finds released files that did not change and that the new manifest gives another meaning.
    fn reread(&self, states: &States) -> Option<Finding> {
        let before = self.before.filter(|_| !self.may_reinterpret())?;
        let mut first: Option<(Box<Migration>, &str)> = None;
        let mut count = 0;
        for entry in states.released.iter().filter(|entry| unchanged(states, &entry.path)) {
            let Reading::Migration(_, was) = read_path(before, &entry.path, &entry.blob) else { continue };
            if let Some(how) = meant_otherwise(&was, &read_path(self.now, &entry.path, &entry.blob)) {
                count += 1;
                first.get_or_insert((was, how));
            }
        }
        first.map(|(migration, how)| released::reread(&migration, how, count))
    }

    /// Gives a finding its weight: the highest of the server's policy and the manifests before and now.
    pub fn weigh(&self, finding: Finding, project: &Project) -> Finding {
        self.weigh_in(finding, project, None)
    }

    /// The same for the content of a migration: weights may differ by environment and begin with a version.
    pub fn weigh_in(&self, mut finding: Finding, project: &Project, migration: Option<&Migration>) -> Finding {
        let environment = migration.and_then(|migration| migration.environment.as_ref());
        let mut severity = self.severity(finding.rule, Some(project), environment);
        let spared = |project: &Project| {
            migration.is_some_and(|migration| project.is_before(finding.rule, &migration.version_key))
        };
        if finding.rule.configurable && spared(project) && self.earlier(project).is_none_or(spared) {
            severity = self.floor(finding.rule, environment).unwrap_or(Severity::Off);
        }
        finding.severity = finding.most.map_or(severity, |most| most.min(severity));
        finding
    }

    fn weigh_anywhere(&self, mut finding: Finding) -> Finding {
        finding.severity = self.severity(finding.rule, None, None);
        finding
    }

    fn floor(&self, rule: &Rule, environment: Option<&EnvironmentName>) -> Option<Severity> {
        self.policy.and_then(|policy| policy.lowest(rule.name, environment))
    }

    pub(crate) fn severity(
        &self,
        rule: &'static Rule,
        project: Option<&Project>,
        environment: Option<&EnvironmentName>,
    ) -> Severity {
        let of = |project: &Project| project.severity(rule, environment);
        let mine = |candidate: &&Project| project.is_none_or(|project| project.name == candidate.name);
        let now = self.now.projects.iter().filter(mine).map(of).max();
        let before = self.before.map(|before| {
            // A project that is new in this change has nothing looser than the strictest that was there.
            let same = before.projects.iter().filter(mine).map(of).max();
            let all = before.projects.iter().map(of).max();
            same.or(all.max(Some(rule.severity))).unwrap_or(rule.severity)
        });
        let manifests = now.max(before).unwrap_or(rule.severity);
        self.floor(rule, environment).map_or(manifests, |floor| floor.max(manifests))
    }
}

fn is_unknown_name(rule: &Rule) -> bool {
    *rule == naming::UNKNOWN_DATABASE || *rule == naming::UNKNOWN_ENVIRONMENT
}

/// Says whether the state before held the path as a migration already.
fn was_migration(states: &States, path: &RepoPath, view: &Settings) -> bool {
    states
        .changes
        .binary_search_by(|change| change.path.cmp(path))
        .ok()
        .and_then(|index| states.changes[index].before.as_ref())
        .is_some_and(|(_, blob)| matches!(read_path(view, path, blob), Reading::Migration(..)))
}

fn claimed_twice(path: &RepoPath, first: &Project, second: &Project) -> Finding {
    let message =
        format!("projects `{}` and `{}` both match this path, so it would run for both", first.name, second.name);
    Finding::new(&naming::PATH_CLAIMED_TWICE, Place::path(path.display(), None), message)
        .help("give the projects base directories or templates that do not overlap")
}
