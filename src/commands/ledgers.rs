//! What the ledgers of all targets say of a push: which files ran where, and which versions are taken.
//!
//! No database is asked. Refuses to write.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use crate::check::{Judge, Reading, read_path};
use crate::commands::changes::{Manifest, Source};
use crate::commands::ledger::{Entry, File, Ran, everybody, is_there, key, place_of, read};
use crate::commands::rollout::{listed, migrations};
use crate::commands::scripts::{bytes, sums};
use crate::config::manifest::Project;
use crate::config::server::{Server, Target};
use crate::data_change::is_manifest;
use crate::git::refs::{Branch, branches};
use crate::git::repository::Repository;
use crate::history::SUM;
use crate::migration::{Change, EnvironmentName, FileMode, Kind, Migration, ObjectId, Place, RepoPath};
use crate::rules::released::{Clash, Taken};
use crate::sql::checksum::checksums;
use crate::text::enumerate;

/// The ledgers of all targets.
pub struct Ledgers<'r> {
    common_dir: &'r Path,
    targets: Vec<Cow<'r, Target>>,
    serving: Vec<&'r EnvironmentName>,
    /// Other branches that serve some of them, with these.
    others: Vec<(String, Vec<&'r EnvironmentName>)>,
}

impl<'r> Ledgers<'r> {
    /// Chooses the targets; no ledger is read yet.
    ///
    /// # Errors
    /// If the branches of the repository cannot be listed.
    pub fn new(repository: &'r Repository, server: &'r Server, branch: &'r str) -> Result<Self> {
        let serving: Vec<_> = server.served_by(branch).map(|environment| &environment.name).collect();
        let shared = |other: &Branch| {
            let theirs: Vec<_> = server.served_by(&other.name).map(|environment| &environment.name).collect();
            serving.iter().copied().filter(|name| theirs.contains(name)).collect::<Vec<_>>()
        };
        // A server file with one name of a branch needs no list of all that are there.
        let one = matches!(server.branches.as_slice(), [name] if name.as_str() == branch);
        let others = if one { Vec::new() } else { branches(repository)? };
        let others = others.into_iter().filter(|other| other.name != branch);
        let others = others.map(|other| (shared(&other), other.name)).filter(|(shared, _)| !shared.is_empty());
        let others = others.map(|(shared, name)| (name, shared)).collect();
        let targets = everybody(&repository.common_dir, server).collect();
        Ok(Self { common_dir: &repository.common_dir, targets, serving, others })
    }

    /// Says of files that may run what forbids them, because another branch brought other files to a target that both serve:
    /// one with their version ran there, or a later one, or their very content under a version that is not in this state.
    pub fn taken(
        &self,
        changes: &[&Change],
        judge: &Judge<'_>,
        (source, now): (&Source<'_>, &Manifest),
    ) -> Result<BTreeMap<RepoPath, Taken>> {
        let mut found = BTreeMap::new();
        if self.others.is_empty() || changes.is_empty() {
            return Ok(found);
        }
        let by = |target: &Target| {
            let serves = self.others.iter().filter(|(_, shared)| shared.contains(&&target.environment));
            serves.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        let shared = self.targets.iter().filter(|target| !by(target).is_empty());
        let files: Vec<(&Target, File<'_>)> =
            shared.filter_map(|target| Some((target.as_ref(), read(self.common_dir, target)?))).collect();
        let mut there: Option<BTreeSet<(Place, ObjectId)>> = None;
        for change in changes {
            let Some((FileMode::Regular, blob)) = &change.after else { continue };
            let Reading::Migration(project, mut migration) = read_path(judge.now, &change.path, blob) else { continue };
            if is_manifest(&migration.path) {
                migration.only = listed(source, &migration, project.largest_file);
            }
            for (target, file) in files.iter().filter(|(target, _)| target.takes(&migration, project.group.as_deref()))
            {
                let Some(how) = clash(file, change, &migration, project, source) else { continue };
                if how == Clash::Content {
                    if there.is_none() {
                        let files = migrations(source, now)?;
                        there = Some(files.iter().map(|file| (file.place(), file.blob.clone())).collect());
                    }
                    // Where a file has the version under which it ran, this one is a copy of it.
                    let mut ran = file.entries.iter().filter(|entry| entry.blob == blob.as_str()).filter_map(place_of);
                    if ran.any(|place| there.as_ref().is_some_and(|there| there.contains(&(place, blob.clone())))) {
                        continue;
                    }
                }
                let taken = found.entry(change.path.clone()).or_insert_with(|| Taken::new(how));
                if taken.how == how {
                    taken.on.push(target.label());
                    taken.by.extend(by(target));
                }
            }
        }
        Ok(found)
    }

    /// Says of changed released files what forbids the change: nothing where no target has run the file. Targets of other
    /// branches forbid it too, where they are known to have run it: versions that differ would meet in the next merge. A
    /// target whose ledger cannot be read may have run it, and so may one of this branch that has none. A file that no
    /// target of this branch takes is not in the answer.
    pub fn ran(&self, changes: &[&Change], judge: &Judge<'_>, source: &Source<'_>) -> BTreeMap<RepoPath, Vec<String>> {
        let files: Vec<(&Target, Option<File<'_>>)> =
            self.targets.iter().map(|target| (target.as_ref(), read(self.common_dir, target))).collect();
        let view = judge.before.unwrap_or(judge.now);
        let who = |change: &Change| {
            let (_, blob) = change.before.as_ref()?;
            let Reading::Migration(project, migration) = read_path(view, &change.path, blob) else { return None };
            let takers = || files.iter().filter(|(target, _)| target.takes(&migration, project.group.as_deref()));
            let serves = |target: &Target| self.serving.contains(&&target.environment);
            takers().find(|(target, _)| serves(target))?;
            let (mut forbid, mut announced, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
            for (target, file) in takers() {
                let Some(File { entries, .. }) = file else {
                    if serves(target) || is_there(self.common_dir, target) {
                        unknown.push(target.label());
                    }
                    continue;
                };
                let forbids = |entry: &&Entry<'_>| {
                    is_of(entry, &migration, project, source, serves(target)) && forbids(entry, change, project, source)
                };
                match entries.iter().find(forbids) {
                    Some(entry) if entry.is_announced() => announced.push(target.label()),
                    Some(_) => forbid.push(target.label()),
                    None => {}
                }
            }
            let ran = (!forbid.is_empty()).then(|| format!("it has run on {}", enumerate(&forbid, 8)));
            let doubt = (!unknown.is_empty()).then(|| {
                let who = enumerate(&unknown, 8);
                format!(
                    "nothing is known of {who}, and it may have run there; `schemagate sync` on the server asks (what is not \
                     there yet has no place in the server file)"
                )
            });
            let begun = (!announced.is_empty()).then(|| {
                format!(
                    "it was about to run on {}; if nobody is at work there, `schemagate resolve` with --not-applied looks \
                     and lets it go",
                    enumerate(&announced, 8)
                )
            });
            Some((change.path.clone(), ran.into_iter().chain(begun).chain(doubt).collect()))
        };
        changes.iter().filter_map(|change| who(change)).collect()
    }
}

/// The targets but this one that are known to have run this file up to a statement (from 1), or to run it now; `text` is
/// the sum of what it says.
pub fn ran_elsewhere(
    common_dir: &Path,
    server: &Server,
    here: &Target,
    (migration, text, statement): (&Migration, &str, usize),
    group: Option<&str>,
) -> Vec<String> {
    let ran = |target: &Target| {
        let same = |entry: &Entry<'_>| {
            let ran = match entry.ran {
                Ran::Nothing => false,
                // Where it stopped at the same statement, or before, that may be mended.
                Ran::Partly => entry.sums.len() / SUM >= statement,
                Ran::All => true,
            };
            ran && (entry.blob == migration.blob.as_str() || entry.text == text) && is_under(entry, migration)
        };
        key(target) != key(here)
            && target.takes(migration, group)
            && read(common_dir, target).is_some_and(|file| file.entries.iter().any(same))
    };
    everybody(common_dir, server).filter(|target| ran(target)).map(|target| target.label()).collect()
}

/// How what ran on a target stands against a file that may run there.
fn clash(
    file: &File<'_>,
    change: &Change,
    migration: &Migration,
    project: &Project,
    source: &Source<'_>,
) -> Option<Clash> {
    let ran = |entry: &&Entry<'_>| entry.ran == Ran::All && entry.project == migration.project.as_str();
    if let Some(own) = file.entries.iter().find(|entry| is_under(entry, migration) && entry.ran != Ran::Nothing) {
        let another = !is_of(own, migration, project, source, false) && forbids(own, change, project, source);
        return another.then_some(Clash::Version);
    }
    let same = |entry: &&Entry<'_>| entry.blob == migration.blob.as_str() && !entry.is_announced();
    if file.entries.iter().filter(ran).any(|entry| same(&entry)) {
        return Some(Clash::Content);
    }
    let later = |entry: &Entry<'_>| {
        Kind::parse(&entry.kind).is_some_and(|kind| (&*entry.version_key, kind) > migration.position())
    };
    file.entries.iter().filter(ran).any(later).then_some(Clash::Order)
}

/// Says whether an entry stands under the version of a migration.
fn is_under(entry: &Entry<'_>, migration: &Migration) -> bool {
    entry.project == migration.project.as_str()
        && entry.version_key == migration.version_key
        && entry.kind == migration.kind.word()
}

/// Says whether an entry is about this very content, or about one that says the same: another file under the same
/// version never ran. What ran in part on a target of this branch (`ours`) may have been mended since behind that.
fn is_of(entry: &Entry<'_>, migration: &Migration, project: &Project, source: &Source<'_>, ours: bool) -> bool {
    let same_text = || {
        let database = project.database(migration.database.as_ref());
        let bytes = bytes(source, migration, project.largest_file);
        matches!((database, bytes), (Some(database), Ok(bytes)) if checksums(&migration.path, &bytes, database.flavour).text == entry.text)
    };
    is_under(entry, migration)
        && (entry.ran == Ran::Partly && ours || entry.blob == migration.blob.as_str() || same_text())
}

/// Says whether what ran forbids a change. To bring back what ran is always allowed.
fn forbids(entry: &Entry<'_>, change: &Change, project: &Project, source: &Source<'_>) -> bool {
    let Some((FileMode::Regular, after)) = &change.after else { return entry.ran != Ran::Nothing };
    match entry.ran {
        Ran::Nothing => false,
        Ran::All => after.as_str() != entry.blob,
        // What comes behind the statements that ran may be mended in place.
        Ran::Partly => {
            let Some(migration) = project.migration(&change.path, after) else { return true };
            let flavour = project.database(migration.database.as_ref()).map(|database| database.flavour);
            let bytes = bytes(source, &migration, project.largest_file).unwrap_or_default();
            // What cannot be read, or would not run, cannot be compared: doubt keeps what ran.
            let (Some(flavour), Ok(text)) = (flavour, std::str::from_utf8(&bytes)) else { return true };
            let text = text.trim_start_matches('\u{feff}');
            let Some(sums) = sums(&migration, text, flavour) else { return true };
            !sums.concat().starts_with(&*entry.sums)
        }
    }
}
