//! Judging a change: reads the two states, asks the pure judge, reads the contents it asks for.
//!
//! The same for every gate: commit, push, `check`. Refuses to know where output goes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::check::content::{AskServer, Court, ToRead, too_large};
use crate::check::states::{States, Unchanged, differences};
use crate::check::{Judge, Reading, read_path};
use crate::commands::changes::{Content, Manifest, Source, base_directories, leads_to, manifest};
use crate::commands::checkers::Checkers;
use crate::commands::ledgers::Ledgers;
use crate::commands::replay::{Lineage, Read, Step, lineages, pass};
use crate::commands::server::Loaded;
use crate::config::MANIFEST;
use crate::finding::Report;
use crate::git::tree::Walker;
use crate::migration::{Change, FileEntry, FileMode, Migration, ObjectId, RepoPath};
use crate::rules::config::MANIFEST_MISSING;
use crate::rules::push::malformed;
use crate::rules::released::Baseline;
use crate::sql::checksum::checksums;

/// What is judged, and by which law.
pub struct Case<'a> {
    /// The state before; none where nothing is released.
    pub before: Option<Source<'a>>,
    /// The state whose manifest is the law before, where it is not `before`.
    pub law: Option<Source<'a>>,
    /// The state that new migrations must come after, where it is not `before`: the tip of the branch they go to.
    pub tip: Option<Source<'a>>,
    /// The state that is judged.
    pub after: Source<'a>,
    /// The server file, on a server.
    pub server: Option<&'a Loaded>,
    /// How a person names the state before.
    pub baseline: String,
    /// Whether files that did not change are judged too.
    pub all: bool,
    /// Which targets have run what, on a server. Where that is not known nothing that is released may be changed.
    pub ledgers: Option<&'a Ledgers<'a>>,
}

impl Case<'_> {
    /// Says of changed released files what forbids the change, in sentences: nothing, where they may be changed. What is
    /// not in the answer is not known.
    fn ran(&self, changes: &[&Change], judge: &Judge<'_>) -> BTreeMap<RepoPath, Vec<String>> {
        self.ledgers.map(|ledgers| ledgers.ran(changes, judge, &self.after)).unwrap_or_default()
    }

    /// The folder where what can be made again may be kept.
    fn cache(&self) -> Option<std::path::PathBuf> {
        let repository = match &self.after {
            Source::Tree(repository, _) | Source::Index(repository) | Source::Folder(_, Some(repository)) => repository,
            Source::Folder(_, None) => return None,
        };
        Some(repository.common_dir.join("schemagate"))
    }
}

/// Finds the edits of released files that touch only white space and comments.
fn reformatted(case: &Case<'_>, judge: &Judge<'_>, changes: &[&Change]) -> BTreeSet<RepoPath> {
    let view = judge.before.unwrap_or(judge.now);
    let same = |change: &&&Change| {
        let (Some((_, old)), Some((FileMode::Regular, new))) = (&change.before, &change.after) else { return false };
        let Reading::Migration(project, migration) = read_path(view, &change.path, old) else { return false };
        let Some(database) = project.database(migration.database.as_ref()) else { return false };
        let sum = |source: &Source<'_>, blob: &ObjectId| {
            let entry = FileEntry { path: change.path.clone(), mode: FileMode::Regular, blob: blob.clone() };
            match source.read(&entry, project.largest_file) {
                Ok(Content::Bytes(bytes)) => Some(checksums(&change.path, &bytes, database.flavour).text),
                _ => None,
            }
        };
        let before = case.before.as_ref().and_then(|source| sum(source, old));
        before.is_some() && before == sum(&case.after, new)
    };
    changes.iter().filter(same).map(|change| change.path.clone()).collect()
}

/// Judges a case.
///
/// # Errors
/// If a state cannot be read.
pub fn judge(case: &Case<'_>) -> Result<Report> {
    let now = match manifest(&case.after)? {
        Ok(now) => now,
        Err(report) => return Ok(brought_back(report, case)),
    };
    let before = match case.law.as_ref().or(case.before.as_ref()) {
        Some(source) => manifest(source)?.ok(),
        None => None,
    };
    let same = before.as_ref().is_some_and(|before| before.identity == now.identity);
    let earlier = before.filter(|_| !same);
    let judge = Judge {
        now: &now.settings,
        before: earlier.as_ref().map(|manifest| &manifest.settings),
        policy: case.server.map(|loaded| &loaded.server.policy),
        known: case.server.map(|loaded| super::server::known_names(&loaded.server)).unwrap_or_default(),
        baseline: Baseline { revision: case.baseline.clone(), on_server: case.server.is_some() },
    };
    let unchanged = match (case.all, same || case.before.is_none()) {
        (true, _) => Unchanged::JudgeAll,
        (false, true) => Unchanged::Skip,
        (false, false) => Unchanged::Reread,
    };
    let mut report = Report::default();
    let mut states = states(case, &judge, earlier.as_ref(), &now, unchanged, &mut report)?;
    let touched: Vec<&Change> = states.changes.iter().filter(|change| change.before.is_some()).collect();
    if !touched.is_empty() {
        states.ran_on = case.ran(&touched, &judge);
        states.reformatted = reformatted(case, &judge, &touched);
        states.changeable =
            states.ran_on.extract_if(.., |_, targets| targets.is_empty()).map(|(path, _)| path).collect();
    }
    if let Some(ledgers) = case.ledgers {
        let may_run = |change: &&Change| change.before.is_none() || states.changeable.contains(&change.path);
        let may_run: Vec<&Change> = states.changes.iter().filter(may_run).collect();
        states.taken = ledgers.taken(&may_run, &judge, (&case.after, &now))?;
    }
    let (findings, files) = judge.layout(&states);
    report.extend(findings);
    let servers = case.server.map(|loaded| Checkers::new(&loaded.server, loaded.folder.clone()));
    let ask = servers
        .as_ref()
        .filter(|servers| servers.any())
        .map(|servers| |flavour, text: &str| servers.ask(flavour, text));
    let ask = ask.as_ref().map(|ask| ask as AskServer<'_>);
    let read = |migration: &Migration, largest: u64| read(&case.after, migration, largest);
    let cache = case.cache();
    let mut lineages = lineages(&judge, &states, files);
    lineages.iter_mut().for_each(|lineage| find_pending(case, &judge, lineage));
    report.merge(contents(&judge, lineages, cache.as_deref(), ask, &read)?);
    report.extend(servers.iter().flat_map(Checkers::findings));
    keep_manifest(&mut report, &now);
    report.sort();
    Ok(report)
}

/// Released migrations that are asked about, from the newest on: older ones have run.
const ASKED: usize = 20;

/// Finds which of the newest released migrations have run nowhere, where a server knows that. Not for groups: their
/// ledgers are as many as their tenants.
fn find_pending(case: &Case<'_>, judge: &Judge<'_>, lineage: &mut Lineage) {
    let newest = &lineage.before[lineage.before.len().saturating_sub(ASKED)..];
    let group = |migration: &Migration| {
        judge.now.projects.iter().any(|project| project.name == migration.project && project.group.is_some())
    };
    if case.server.is_none() || newest.first().is_none_or(group) {
        return;
    }
    let gone = |migration: &Migration| Change {
        path: migration.path.clone(),
        before: Some((FileMode::Regular, migration.blob.clone())),
        after: None,
    };
    let changes: Vec<Change> = newest.iter().map(gone).collect();
    let ran = case.ran(&changes.iter().collect::<Vec<_>>(), judge);
    lineage.pending = ran.into_iter().filter(|(_, targets)| targets.is_empty()).map(|(path, _)| path).collect();
}

/// Judges the contents of files, each with the schema that those before it make.
///
/// # Errors
/// If one cannot be read.
pub fn contents(
    judge: &Judge<'_>,
    lineages: Vec<Lineage>,
    cache: Option<&Path>,
    server: Option<AskServer<'_>>,
    read: Read<'_>,
) -> Result<Report> {
    let clock = Instant::now();
    let clock = || clock.elapsed();
    let mut report = Report::default();
    for lineage in lineages {
        let schema = lineage.schema(cache, read)?;
        let replay = schema.as_ref().and_then(|schema| schema.replay.as_ref());
        let known = schema.as_ref().map(|schema| &schema.known);
        let court = Court { replay, known, server, clock: &clock };
        for step in &lineage.steps {
            match (step, &schema) {
                (Step::Judge(file), _) => report.merge(content(judge, file, &court, read)?),
                (Step::Follow(migration), Some(schema)) => pass(schema, migration, false, read),
                (Step::Follow(_), None) => {}
            }
        }
    }
    Ok(report)
}

/// A manifest that was there before is better brought back than written anew.
fn brought_back(mut report: Report, case: &Case<'_>) -> Report {
    let had = |source: &Source<'_>| source.manifest().is_ok_and(|found| found.is_some());
    if case.before.as_ref().is_some_and(had) {
        report.help_for(&MANIFEST_MISSING, &format!("git checkout {} -- {MANIFEST}", case.baseline));
    }
    report
}

/// The manifest's text is kept only where a finding points into it.
fn keep_manifest(report: &mut Report, now: &Manifest) {
    let related = |name: &str| {
        report.findings().iter().any(|finding| finding.related.iter().any(|other| *other.place.name == *name))
    };
    if related(MANIFEST) {
        report.keep_source(MANIFEST, now.text.as_str());
    }
}

/// Reads the content of a migration of a state.
pub fn read(source: &Source<'_>, migration: &Migration, largest: u64) -> Result<Content> {
    let mode = crate::migration::FileMode::Regular;
    source.read(&FileEntry { path: migration.path.clone(), mode, blob: migration.blob.clone() }, largest)
}

/// Judges one file.
fn content(judge: &Judge<'_>, file: &ToRead, court: &Court<'_>, read: Read<'_>) -> Result<Report> {
    match read(&file.migration, file.largest)? {
        Content::Bytes(bytes) => Ok(judge.content(file, &bytes, court)),
        Content::TooLarge(size) => {
            let mut report = Report::default();
            report.migrations = 1;
            report.push(too_large(file, size));
            Ok(report)
        }
    }
}

/// Reads what differs, and as much of the state before as the judge needs.
fn states(
    case: &Case<'_>,
    judge: &Judge<'_>,
    earlier: Option<&Manifest>,
    now: &Manifest,
    unchanged: Unchanged,
    report: &mut Report,
) -> Result<States> {
    let bases = base_directories(std::iter::once(&now.settings).chain(earlier.map(|manifest| &manifest.settings)));
    let mut states = States { unchanged, ..States::default() };
    match (&case.before, &case.after) {
        (before @ (None | Some(Source::Tree(..))), Source::Tree(repository, new)) => {
            let old = match before {
                Some(Source::Tree(_, tree)) => Some(tree),
                _ => None,
            };
            let mut walker = Walker::new(repository.objects.as_ref());
            let lower: Vec<String> = bases.iter().map(|base| base.to_lowercase()).collect();
            let enter = |path: &RepoPath| match path.as_str() {
                Some(folder) => leads_to(&folder.to_lowercase(), &lower),
                None => bases.iter().any(|base| path.is_under(base)),
            };
            states.changes = walker.compare(old, Some(new), &enter)?;
            states.changes.retain(|change| bases.iter().any(|base| change.path.is_nearly_under(base)));
            let tip = match &case.tip {
                Some(Source::Tree(_, tree)) => Some(tree),
                _ => old,
            };
            if let Some(tip) = tip {
                let reach = judge.reach(&states.changes);
                let whole = unchanged != Unchanged::Skip;
                let enter = |folder: &str| if whole { leads_to(folder, &bases) } else { reach.enters(folder) };
                let listing = Walker::new(repository.objects.as_ref()).list(tip, &enter)?;
                states.released = listing.files;
                states.released.retain(|entry| bases.iter().any(|base| entry.path.is_under(base)));
                states.folders = listing.folders;
            }
            report.extend(walker.malformed.iter().map(|(folder, why)| malformed(folder, why)));
        }
        (before, after) => {
            states.released = before.as_ref().map(|source| source.files(&bases)).transpose()?.unwrap_or_default();
            let files = after.files(&bases)?;
            states.changes = differences(&states.released, &files);
            if let Some(tip) = &case.tip {
                states.released = tip.files(&bases)?;
            }
            states.folders = folders_of(&states.released);
        }
    }
    Ok(states)
}

/// The folders that hold some files, each once.
fn folders_of(files: &[FileEntry]) -> Vec<RepoPath> {
    let mut folders: BTreeSet<&[u8]> = BTreeSet::new();
    for file in files {
        let mut folder = file.path.folder();
        while !folder.is_empty() && folders.insert(folder) {
            folder = folder.iter().rposition(|byte| *byte == b'/').map_or(&[], |slash| &folder[..slash]);
        }
    }
    folders.into_iter().map(RepoPath::new).collect()
}
