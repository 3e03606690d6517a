//! The two states that are compared, and what can be told from their names alone.
//!
//! Pure values. Refuses to know manifests.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::finding::Finding;
use crate::migration::{Change, FileEntry, RepoPath};
use crate::rules::naming;
use crate::rules::released::Taken;

/// What is done with files that did not change.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Unchanged {
    /// Nothing: they were judged when they came.
    #[default]
    Skip,
    /// The manifest changed: those that it reads otherwise than before are judged. Needs all of `released`.
    Reread,
    /// All are judged, but for their order. Needs all of `released`.
    JudgeAll,
}

/// The two states that are compared.
#[derive(Debug, Default)]
pub struct States {
    /// What differs, under the base directories, sorted by path.
    pub changes: Vec<Change>,
    /// The files of the state before, at least those in reach of [`crate::check::Judge::reach`].
    pub released: Vec<FileEntry>,
    /// Folders that were seen beside these files.
    pub folders: Vec<RepoPath>,
    /// What is done with files that did not change.
    pub unchanged: Unchanged,
    /// Released paths that no target has run.
    pub changeable: BTreeSet<RepoPath>,
    /// Released paths with what forbids to change them: where they have run, or may have.
    pub ran_on: BTreeMap<RepoPath, Vec<String>>,
    /// Paths that may run, and against which something stands that another branch brought to databases of this one.
    pub taken: BTreeMap<RepoPath, Taken>,
    /// Released paths whose edit touches only white space and comments.
    pub reformatted: BTreeSet<RepoPath>,
}

/// Says whether nothing happened to a path.
pub(crate) fn unchanged(states: &States, path: &RepoPath) -> bool {
    states.changes.binary_search_by(|change| change.path.cmp(path)).is_err()
}

/// Compares two lists of files, each sorted by path. The changes come sorted by path.
pub fn differences(old: &[FileEntry], new: &[FileEntry]) -> Vec<Change> {
    let state = |entry: &FileEntry| Some((entry.mode, entry.blob.clone()));
    let mut changes = Vec::new();
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return changes,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(before), Some(after)) => before.path.cmp(&after.path),
        };
        let before = if order.is_le() { old.next() } else { None };
        let after = if order.is_ge() { new.next() } else { None };
        let Some(path) = before.or(after).map(|entry| entry.path.clone()) else { return changes };
        let (before, after) = (before.and_then(state), after.and_then(state));
        if before != after {
            changes.push(Change { path, before, after });
        }
    }
}

/// Finds added names that differ from another one only in case or composition, folders included.
pub(crate) fn twins(states: &States) -> Vec<Finding> {
    let added: Vec<&RepoPath> =
        states.changes.iter().filter(|c| c.before.is_none() && c.after.is_some()).map(|c| &c.path).collect();
    let mut prefixes: HashMap<Vec<u8>, (&[u8], &RepoPath)> = HashMap::new();
    let mut findings = Vec::new();
    for path in &added {
        for prefix in prefixes_of(path.as_bytes()) {
            match prefixes.get(&naming::folded(prefix)) {
                Some((other, owner)) if *other != prefix => {
                    findings.push(naming::twin(path, owner));
                    break;
                }
                Some(_) => {}
                None => {
                    prefixes.insert(naming::folded(prefix), (prefix, path));
                }
            }
        }
    }
    let gone: BTreeSet<&RepoPath> = states.changes.iter().filter(|c| c.after.is_none()).map(|c| &c.path).collect();
    let files = states.released.iter().map(|entry| &entry.path).filter(|path| !gone.contains(path));
    if !added.is_empty() {
        for other in files.chain(&states.folders) {
            if let Some((prefix, owner)) = prefixes.get(&naming::folded(other.as_bytes()))
                && *prefix != other.as_bytes()
            {
                findings.push(naming::twin(owner, other));
            }
        }
    }
    findings
}

/// A path and all folders above it, the longest last.
fn prefixes_of(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    slashes.chain([path.len()]).map(move |end| &path[..end])
}
