//! References: what they point at, which are symbolic, what comes before what.
//!
//! Asks `git`, but for three questions of every push that are answered from files: is a reference symbolic, is a commit
//! an ancestor of a near one, and which branches there are. Never writes a reference.

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
    let mut branches = match by_library(repository) {
        Some(branches) => branches,
        None => by_git(repository)?,
    };
    branches.sort_by(|a, b| b.is_head.cmp(&a.is_head).then_with(|| a.name.cmp(&b.name)));
    Ok(branches)
}

/// Lists the branches without a process, which takes longer than all else when there is nothing to do; `None` where the
/// library cannot read them, or is not sure.
fn by_library(repository: &Repository) -> Option<Vec<Branch>> {
    if repository.sha256 || repository.uses_reftable().ok()? {
        return None;
    }
    let flags = git2::RepositoryOpenFlags::NO_SEARCH | git2::RepositoryOpenFlags::BARE;
    let opened = git2::Repository::open_ext(&repository.common_dir, flags, &[] as &[&std::ffi::OsStr]).ok()?;
    let head = std::fs::read_to_string(repository.git_dir.join("HEAD")).ok()?;
    let head = head.strip_prefix("ref: ").map(str::trim_end);
    let mut branches = Vec::new();
    for reference in opened.references_glob("refs/heads/*").ok()? {
        let reference = reference.ok()?;
        let name = reference.name().ok()?;
        if reference.kind()? == git2::ReferenceType::Symbolic {
            continue;
        }
        let tip = ObjectId::parse(&reference.target()?.to_string())?;
        branches.push(Branch { name: name.strip_prefix("refs/heads/")?.to_owned(), tip, is_head: head == Some(name) });
    }
    Some(branches)
}

/// Lists the branches as `git` knows them.
fn by_git(repository: &Repository) -> Result<Vec<Branch>> {
    let format = "--format=%(HEAD)%00%(objectname)%00%(symref)%00%(refname)";
    let text = process::must(Some(&repository.git_dir), &["for-each-ref", format, "refs/heads"])?;
    let branch = |line: &str| {
        let [head, id, "", name] = line.split('\0').collect::<Vec<_>>()[..] else { return None };
        let name = name.strip_prefix("refs/heads/")?;
        Some(Branch { name: name.to_owned(), tip: ObjectId::parse(id)?, is_head: head == "*" })
    };
    Ok(text.lines().filter_map(branch).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_lists_the_branches_that_git_lists() {
        let folder = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let mut command = process::git(None);
            command.current_dir(folder.path()).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
            assert!(command.args(arguments).status().unwrap().success(), "{arguments:?}");
        };
        git(&["init", "-q", "-b", "main"]);
        git(&["commit", "-q", "--allow-empty", "-m", "one"]);
        for name in ["a/b", "packed", "größe", "z"] {
            git(&["branch", name]);
        }
        git(&["pack-refs", "--all"]);
        git(&["commit", "-q", "--allow-empty", "-m", "two"]);
        git(&["branch", "-f", "z"]);
        git(&["symbolic-ref", "refs/heads/alias", "refs/heads/z"]);
        git(&["worktree", "add", "-q", "tree", "a/b"]);
        for start in [folder.path().to_owned(), folder.path().join("tree")] {
            let repository = Repository::discover(&start).unwrap();
            let (mut ours, mut theirs) = (by_library(&repository).unwrap(), by_git(&repository).unwrap());
            ours.sort_by(|a, b| a.name.cmp(&b.name));
            theirs.sort_by(|a, b| a.name.cmp(&b.name));
            assert_eq!(ours, theirs);
            assert_eq!(ours.len(), 5);
        }
        git(&["checkout", "-q", "--detach"]);
        let repository = Repository::discover(folder.path()).unwrap();
        assert!(by_library(&repository).unwrap().iter().all(|branch| !branch.is_head));
        std::fs::write(folder.path().join(".git/refs/heads/broken"), "x").unwrap();
        let names = |branches: Vec<Branch>| branches.into_iter().map(|branch| branch.name).collect::<BTreeSet<_>>();
        assert_eq!(names(by_library(&repository).unwrap()), names(by_git(&repository).unwrap()));
    }
}
