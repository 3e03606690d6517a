//! Judging a push on the server: which references count, what each is compared with.
//!
//! - A watched branch that moves is judged by the net change from its old tip to its new one.
//! - A new watched branch is compared with where it left another watched one (that of HEAD first), by the law of that
//!   one's tip too; the first watched branch with nothing: every file is judged. An unrelated one is refused.
//! - Deleting or rewinding a watched branch is refused, unless policy allows it.
//! - Symbolic references count as what they lead to. Tags, notes and other branches pass; `refs/replace/` never.
//!
//! Decides only: nothing is written and no database is asked.

use anyhow::Result;

use crate::commands::changes::Source;
use crate::commands::judge::{Case, judge};
use crate::commands::ledgers::Ledgers;
use crate::commands::server::Loaded;
use crate::finding::Report;
use crate::git::push::Update;
use crate::git::refs::{branches, is_ancestor, merge_base, resolve_symbolic};
use crate::git::repository::Repository;
use crate::git::tree::{Peeled, peel};
use crate::migration::ObjectId;
use crate::rules::push::{deleted, not_a_commit, replace_reference, rewound, unrelated};

/// Judges all references of a push in one report.
///
/// # Errors
/// If the repository cannot be read: the push is then refused as our failure.
pub fn judge_push(repository: &Repository, loaded: &Loaded, updates: &[Update]) -> Result<Report> {
    let mut report = Report::default();
    for update in updates {
        if update.reference.starts_with("refs/replace/") {
            report.push(replace_reference(&crate::text::sanitize(&update.reference)));
            continue;
        }
        let reference = resolve_symbolic(repository, &update.reference)?;
        let Some(branch) = reference.strip_prefix("refs/heads/") else { continue };
        if loaded.server.watches(branch) {
            report.merge(judge_branch(repository, loaded, update, &crate::text::sanitize(&reference), branch)?);
        }
    }
    report.sort();
    Ok(report)
}

fn judge_branch(
    repository: &Repository,
    loaded: &Loaded,
    update: &Update,
    reference: &str,
    branch: &str,
) -> Result<Report> {
    let mut report = Report::default();
    let policy = &loaded.server.policy;
    if update.new.is_zero() {
        if !policy.delete_branch && !update.old.is_zero() {
            report.push(deleted(reference));
        }
        return Ok(report);
    }
    let new = match peel(repository.objects.as_ref(), &update.new)? {
        Peeled::Commit { commit, tree, .. } => (commit, tree),
        Peeled::Other(kind) => {
            report.push(not_a_commit(reference, &update.new, &format!("which is a {}", kind.word())));
            return Ok(report);
        }
        Peeled::Missing => {
            report.push(not_a_commit(reference, &update.new, "which is not there"));
            return Ok(report);
        }
    };
    let parent = if update.old.is_zero() { parent_branch(repository, loaded, &new.0)? } else { Parent::None };
    let old = match &parent {
        Parent::Unrelated if !policy.rewind_branch => {
            report.push(unrelated(reference));
            return Ok(report);
        }
        Parent::Branch { base, .. } => Some(base.clone()),
        _ => Some(update.old.clone()).filter(|old| !old.is_zero()),
    };
    if let Some(old) = old.as_ref().filter(|_| !update.old.is_zero())
        && !policy.rewind_branch
        && !is_ancestor(repository, old, &new.0)?
    {
        report.push(rewound(reference, old, &new.0));
        return Ok(report);
    }
    let before = crate::commands::check::tree_source(repository, old.as_ref())?;
    let law = match &parent {
        Parent::Branch { tip, .. } => crate::commands::check::tree_source(repository, Some(tip))?,
        _ => None,
    };
    let ledgers = Ledgers::new(repository, &loaded.server, branch)?;
    report.merge(judge(&Case {
        before,
        law,
        tip: None,
        after: Source::Tree(repository, new.1),
        server: Some(loaded),
        baseline: old.as_ref().map_or_else(|| "HEAD".to_owned(), |old| old.short().to_owned()),
        all: false,
        ledgers: Some(&ledgers),
    })?);
    Ok(report)
}

/// What a new branch comes from.
enum Parent {
    /// Nothing is watched yet, or the branch is not new.
    None,
    /// A watched branch: where the new one left it, and its tip, whose manifest is the law before.
    Branch { base: ObjectId, tip: ObjectId },
    /// Watched branches are there, and it shares no commit with any of them.
    Unrelated,
}

/// Finds the watched branch that a new one comes from: that of HEAD first, then by name.
fn parent_branch(repository: &Repository, loaded: &Loaded, new: &ObjectId) -> Result<Parent> {
    let mut any = false;
    for branch in branches(repository)?.into_iter().filter(|branch| loaded.server.watches(&branch.name)) {
        any = true;
        if let Some(base) = merge_base(repository, &branch.tip, new)? {
            return Ok(Parent::Branch { base, tip: branch.tip });
        }
    }
    Ok(if any { Parent::Unrelated } else { Parent::None })
}
