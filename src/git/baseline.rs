//! What counts as released on a developer's machine.
//!
//! A migration is released when the branch that the server applies holds it: `release-branch` of the manifest, else
//! the remote's default branch, else the upstream of the current branch. The state before a commit is where the
//! present work left that branch, so that an amended or rebased commit is judged like a new one. Without a remote,
//! HEAD itself is taken.

use anyhow::Result;

use crate::git::process;
use crate::git::refs::{is_ancestor, merge_base, resolve};
use crate::git::repository::Repository;
use crate::migration::ObjectId;

/// The released state that work is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The commit; none if nothing is released yet.
    pub commit: Option<ObjectId>,
    /// The tip of the branch that is released from; new migrations must come after what it holds.
    pub tip: Option<ObjectId>,
    /// How a person names it, for commands that bring files back.
    pub revision: String,
    /// The remote reference that was chosen, if there is one.
    pub tracking: Option<String>,
}

/// Finds the released state for the work that ends in `work` (a commit; none on an unborn branch).
///
/// # Errors
/// If `git` cannot be run.
pub fn released(repository: &Repository, release_branch: Option<&str>, work: Option<&ObjectId>) -> Result<Released> {
    let Some((reference, tip)) = tracking(repository, release_branch)? else {
        let has_remote = !process::must(Some(&repository.git_dir), &["remote"])?.is_empty();
        let commit = if has_remote { None } else { work.cloned() };
        return Ok(Released { tip: commit.clone(), commit, revision: "HEAD".to_owned(), tracking: None });
    };
    let revision = reference.trim_start_matches("refs/remotes/").to_owned();
    let mut commit = match work {
        Some(work) => merge_base(repository, work, &tip)?,
        None => None,
    };
    if let Some(merged) = resolve(repository, "MERGE_HEAD")?
        && let Some(base) = merge_base(repository, &merged, &tip)?
    {
        let newer = match &commit {
            Some(commit) => is_ancestor(repository, commit, &base)?,
            None => true,
        };
        if newer {
            commit = Some(base);
        }
    }
    Ok(Released { commit, tip: Some(tip), revision, tracking: Some(reference) })
}

/// Chooses the remote reference that is released from, with its commit.
fn tracking(repository: &Repository, release_branch: Option<&str>) -> Result<Option<(String, ObjectId)>> {
    let format = "--format=%(refname)%00%(objectname)%00%(symref)%00%(HEAD)%00%(upstream)";
    let text = process::must(Some(&repository.git_dir), &["for-each-ref", format, "refs/heads", "refs/remotes"])?;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\0').collect()).collect();
    let remote = |name: &str| {
        let row = rows.iter().find(|row| row[0] == name && row[0].starts_with("refs/remotes/"))?;
        Some((row[0].to_owned(), ObjectId::parse(row[1])?))
    };
    if let Some(branch) = release_branch {
        let ending = format!("/{branch}");
        let found = rows.iter().map(|row| row[0]).find(|name| {
            name.strip_prefix("refs/remotes/").and_then(|rest| rest.find('/').map(|at| &rest[at..])) == Some(&ending)
        });
        return Ok(found.and_then(remote));
    }
    let default = rows.iter().find(|row| row[0].starts_with("refs/remotes/") && row[0].ends_with("/HEAD"));
    let upstream = rows.iter().find(|row| row[3] == "*").map(|row| row[4]);
    let usual = ["main", "master"].iter().flat_map(|name| rows.iter().map(move |row| (row[0], *name)));
    let usual = usual
        .filter(|(reference, name)| reference.starts_with("refs/remotes/") && reference.ends_with(&format!("/{name}")));
    let candidates = default.map(|row| row[2]).into_iter().chain(upstream).chain(usual.map(|(reference, _)| reference));
    Ok(candidates.filter_map(remote).next())
}
