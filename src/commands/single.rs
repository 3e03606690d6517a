//! Judging single files by path and content, under the manifest that governs them.
//!
//! What stands before them is read from their folder, and counts as applied. Refuses to judge order and immutability:
//! there is no state to compare with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::check::content::{ToRead, too_large};
use crate::check::states::States;
use crate::check::{Judge, Reading, read_path};
use crate::commands::changes::{Content, Source, manifest};
use crate::commands::check::locate;
use crate::commands::judge::{contents as contents_of_lineages, read};
use crate::commands::replay::lineages;
use crate::config::manifest::Settings;
use crate::finding::Report;
use crate::git::store::blob_id;
use crate::migration::{Change, FileMode, Migration, RepoPath};
use crate::rules::naming::{KnownNames, mismatch, names};
use crate::rules::released::Baseline;

/// Files by the path that was given, each with its content where that comes from elsewhere.
type Given = [(String, Option<Vec<u8>>)];

/// A file of a folder: as it was given, its path from there, its content.
type InFolder<'f> = (&'f str, String, Vec<u8>);

/// Judges files.
///
/// # Errors
/// If one cannot be read, or is no migration.
pub fn files(files: &Given) -> Result<Report> {
    let mut folders: BTreeMap<PathBuf, Vec<InFolder<'_>>> = BTreeMap::new();
    for (given, content) in files {
        let (top, inside) = locate(given, content.is_some())?;
        let bytes = match content {
            Some(bytes) => bytes.clone(),
            None => std::fs::read(top.join(&inside)).with_context(|| format!("{given} cannot be read"))?,
        };
        folders.entry(top).or_default().push((given, inside, bytes));
    }
    let mut report = Report::default();
    for (top, files) in folders {
        match manifest(&Source::Folder(top.clone(), None))? {
            Ok(now) => report.merge(folder(&top, &now.settings, files)?),
            Err(report) => return Ok(report),
        }
    }
    report.sort();
    Ok(report)
}

/// Judges files of one folder.
fn folder(top: &Path, settings: &Settings, files: Vec<InFolder<'_>>) -> Result<Report> {
    let mut report = Report::default();
    let judge = Judge {
        now: settings,
        before: None,
        policy: None,
        known: KnownNames::default(),
        baseline: Baseline { revision: "HEAD".to_owned(), on_server: false },
    };
    let mut contents: BTreeMap<RepoPath, Vec<u8>> = BTreeMap::new();
    let mut to_read = Vec::new();
    for (given, inside, bytes) in files {
        let path = RepoPath::from(inside.as_str());
        let blob = blob_id(&bytes, false);
        match read_path(settings, &path, &blob) {
            Reading::Migration(project, migration) => {
                let found = names(project, &migration, &judge.known);
                report.extend(found.into_iter().map(|finding| judge.weigh(finding, project)));
                let file = ToRead {
                    flavour: project.database(migration.database.as_ref()).map(|database| database.flavour),
                    flavour_before: None,
                    largest: project.largest_file,
                    limits: project.limits,
                    migration: *migration,
                    pending: true,
                };
                if bytes.len() as u64 > file.largest {
                    report.push(too_large(&file, bytes.len() as u64));
                } else {
                    contents.insert(path, bytes);
                    to_read.push(file);
                }
            }
            Reading::Mismatch(project) => report.push(judge.weigh(mismatch(project, &path), project)),
            Reading::Schema(_) | Reading::Ignored(_) => {}
            Reading::Outside | Reading::Twice(..) => {
                bail!("`{given}` is no migration of this manifest; `schemagate explain {given}` says why");
            }
        }
    }
    report.merge(contents_of(&judge, top, to_read, &contents)?);
    Ok(report)
}

/// Judges the contents; what stands before them is read from the folder.
fn contents_of(
    judge: &Judge<'_>,
    top: &Path,
    files: Vec<ToRead>,
    contents: &BTreeMap<RepoPath, Vec<u8>>,
) -> Result<Report> {
    let source = Source::Folder(top.to_owned(), None);
    let bases: Vec<String> = judge.now.projects.iter().map(|project| project.base.clone()).collect();
    let changed = |file: &ToRead| Change {
        path: file.migration.path.clone(),
        before: None,
        after: Some((FileMode::Regular, file.migration.blob.clone())),
    };
    let mut states = States { changes: files.iter().map(changed).collect(), ..States::default() };
    states.changes.sort_by(|one, other| one.path.cmp(&other.path));
    states.released = source.files(&bases)?;
    let read = |migration: &Migration, largest: u64| match contents.get(&migration.path) {
        Some(bytes) => Ok(Content::Bytes(bytes.clone())),
        None => read(&source, migration, largest),
    };
    contents_of_lineages(judge, lineages(judge, &states, files), None, None, &read)
}
