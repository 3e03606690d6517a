//! References: what they point at, which are symbolic, what comes before what.
//!
//! Asks `git`, but for two questions of every push that are answered from files: is a reference symbolic, and is a
//! commit an ancestor of a near one. Never writes a reference.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::git::process;
use crate::git::repository::Repository;
use crate::git::tree::{Peeled, peel};
use crate::migration::ObjectId;

/// Ancestors that are looked at before `git` is asked.
const NEAR: usize = 200;

/// Returns the name that a reference leads to when it is symbolic, or its own name. Never longer than five steps.
///
/// # Errors
/// If `git` must be asked and cannot be run.
pub fn resolve_symbolic(repository: &Repository, reference: &str) -> Result<String> {
    if repository.uses_reftable()? {
        let found = process::ask(Some(&repository.git_dir), &["symbolic-ref", "-q", reference])?;
        return Ok(found.unwrap_or_else(|| reference.to_owned()));
    }
    let mut name = reference.to_owned();
    for _ in 0..5 {
        if name.split('/').any(|segment| segment == "..") {
            bail!("the reference name {} leaves the repository", crate::text::sanitize(&name));
        }
        let Ok(content) = std::fs::read(repository.common_dir.join(&name)) else { break };
        match content.strip_prefix(b"ref: ") {
            Some(target) => name = String::from_utf8_lossy(target).trim().to_owned(),
            None => break,
        }
    }
    Ok(name)
}

/// Says whether `old` is `new` or an ancestor of it.
///
/// # Errors
/// If objects are missing or `git` cannot be run.
pub fn is_ancestor(repository: &Repository, old: &ObjectId, new: &ObjectId) -> Result<bool> {
    let mut queue = std::collections::VecDeque::from([new.clone()]);
    let mut seen = BTreeSet::new();
    while let Some(commit) = queue.pop_front() {
        if commit == *old {
            return Ok(true);
        }
        if seen.len() >= NEAR {
            let arguments = ["merge-base", "--is-ancestor", old.as_str(), new.as_str()];
            let output = process::output(Some(&repository.git_dir), &arguments)?;
            return match output.status.code() {
                Some(0) => Ok(true),
                Some(1) => Ok(false),
                _ => bail!("git merge-base failed: {}", String::from_utf8_lossy(&output.stderr).trim()),
            };
        }
        if seen.insert(commit.clone())
            && let Peeled::Commit { parents, .. } = peel(repository.objects.as_ref(), &commit)?
        {
            queue.extend(parents);
        }
    }
    Ok(false)
}

/// A branch of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Short name, such as `main`.
    pub name: String,
    /// The commit it points at.
    pub tip: ObjectId,
    /// Whether HEAD names it.
    pub is_head: bool,
}

impl Branch {
    /// Returns the full name.
    pub fn reference(&self) -> String {
        format!("refs/heads/{}", self.name)
    }
}

/// Lists the branches: that of HEAD first, then by name. Symbolic ones are left out: their target is listed.
///
/// # Errors
/// If `git` cannot be run.
pub fn branches(repository: &Repository) -> Result<Vec<Branch>> {
    let format = "--format=%(HEAD)%00%(objectname)%00%(symref)%00%(refname)";
    let text = process::must(Some(&repository.git_dir), &["for-each-ref", format, "refs/heads"])?;
    let mut branches: Vec<Branch> = text
        .lines()
        .filter_map(|line| {
            let [head, id, "", name] = line.split('\0').collect::<Vec<_>>()[..] else { return None };
            let name = name.strip_prefix("refs/heads/")?;
            Some(Branch { name: name.to_owned(), tip: ObjectId::parse(id)?, is_head: head == "*" })
        })
        .collect();
    branches.sort_by(|a, b| b.is_head.cmp(&a.is_head).then_with(|| a.name.cmp(&b.name)));
    Ok(branches)
}

/// Resolves a revision as people write it to a commit; `None` if there is none.
///
/// # Errors
/// If `git` cannot be run.
pub fn resolve(repository: &Repository, revision: &str) -> Result<Option<ObjectId>> {
    let revision = format!("{revision}^{{commit}}");
    let found =
        process::ask(Some(&repository.git_dir), &["rev-parse", "--verify", "-q", "--end-of-options", &revision])?;
    Ok(found.and_then(|id| ObjectId::parse(&id)))
}

/// Returns a best common ancestor; `None` if there is none.
///
/// # Errors
/// If `git` cannot be run.
pub fn merge_base(repository: &Repository, one: &ObjectId, other: &ObjectId) -> Result<Option<ObjectId>> {
    let found = process::ask(Some(&repository.git_dir), &["merge-base", one.as_str(), other.as_str()])?;
    Ok(found.and_then(|text| ObjectId::parse(text.lines().next()?)))
}

/// Returns the tree of a commit.
///
/// # Errors
/// If it is not a commit or objects are missing.
pub fn tree_of(repository: &Repository, commit: &ObjectId) -> Result<ObjectId> {
    match peel(repository.objects.as_ref(), commit)? {
        Peeled::Commit { tree, .. } => Ok(tree),
        Peeled::Other(kind) => bail!("{commit} is a {} and not a commit", kind.word()),
        Peeled::Missing => bail!("commit {commit} is not in this repository"),
    }
}
