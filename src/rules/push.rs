//! Rules about what a push does to references and trees, whatever the files hold.

use crate::finding::{Finding, Place, Rule, Severity};
use crate::migration::ObjectId;
use crate::rules::{Family, Looks};

/// A watched branch is deleted.
pub static BRANCH_DELETED: Rule = Rule {
    name: "branch-deleted",
    severity: Severity::Error,
    configurable: false,
    summary: "The push deletes a watched branch.",
    explanation: "What a watched branch holds was applied to databases; without the branch nobody could tell what they \
                  hold. The server file can allow it: `allow-branch-deletion = true` under `[policy]`.",
};

/// A watched branch is rewound.
pub static BRANCH_REWOUND: Rule = Rule {
    name: "branch-rewound",
    severity: Severity::Error,
    configurable: false,
    summary: "The push replaces commits of a watched branch (a forced push).",
    explanation: "A forced push can take back migrations that databases have already run. Push a new migration that \
                  undoes the old one. The server file can allow rewinding: `allow-branch-rewind = true` under \
                  `[policy]`; the files are then compared as in any other push.",
};

/// A new watched branch has nothing to do with the others.
pub static BRANCH_UNRELATED: Rule = Rule {
    name: "branch-unrelated",
    severity: Severity::Error,
    configurable: false,
    summary: "A new watched branch shares no commit with any other watched branch.",
    explanation: "Its files would be judged by its own manifest alone, and applied to databases that other branches \
                  serve. Begin the branch from a watched one. The server file can allow it: `allow-branch-rewind = \
                  true` under `[policy]`.",
};

/// A watched branch would not point at a commit.
pub static NOT_A_COMMIT: Rule = Rule {
    name: "not-a-commit",
    severity: Severity::Error,
    configurable: false,
    summary: "A watched branch would point at something that is not a commit, or not there.",
    explanation: "Only the tree of a commit can be judged. If an object is missing, push again from a complete clone.",
};

/// A replace reference is pushed.
pub static REPLACE_REFERENCE: Rule = Rule {
    name: "replace-reference",
    severity: Severity::Error,
    configurable: false,
    summary: "The push writes a reference below `refs/replace/`.",
    explanation: "Replace references make Git show another content than the one that was pushed, so a person who \
                  reviews on the server would read something else than what runs. Push it nowhere; use \
                  `git config receive.hideRefs refs/replace` to refuse it earlier.",
};

/// A tree that Git itself would not write.
pub static TREE_MALFORMED: Rule = Rule {
    name: "tree-malformed",
    severity: Severity::Error,
    configurable: false,
    summary: "A folder under a base directory is stored in a form that Git does not write.",
    explanation: "Entries that are unsorted, doubled, named `.`, `..`, `.git` or with a slash, or of an unknown mode \
                  can make two programs see different files. The tree was made by a broken or hostile tool; \
                  `git config receive.fsckObjects true` refuses it earlier.",
};

/// The family.
pub const FAMILY: Family = Family {
    rules: &[&BRANCH_DELETED, &BRANCH_REWOUND, &BRANCH_UNRELATED, &NOT_A_COMMIT, &REPLACE_REFERENCE, &TREE_MALFORMED],
    looks: Looks::Elsewhere,
};

/// Finds that a watched branch is deleted.
pub fn deleted(reference: &str) -> Finding {
    Finding::new(&BRANCH_DELETED, Place::reference(reference), format!("{reference} is watched and would be deleted"))
        .help("keep the branch; only the administrator can allow this, in the server file")
}

/// Finds that a watched branch is rewound.
pub fn rewound(reference: &str, old: &ObjectId, new: &ObjectId) -> Finding {
    let message = format!("{reference} would lose commits: {} is not an ancestor of {}", old.short(), new.short());
    Finding::new(&BRANCH_REWOUND, Place::reference(reference), message)
        .help("git pull --rebase, then push without --force; to take a migration back, add one that undoes it")
}

/// Finds that a new branch has nothing to do with the others.
pub fn unrelated(reference: &str) -> Finding {
    let message = format!("{reference} is new and watched, and shares no commit with any other watched branch");
    Finding::new(&BRANCH_UNRELATED, Place::reference(reference), message).help("begin the branch from a watched one")
}

/// Finds that a reference does not lead to a commit.
pub fn not_a_commit(reference: &str, object: &ObjectId, why: &str) -> Finding {
    let message = format!("{reference} would point at {}, {why}", object.short());
    Finding::new(&NOT_A_COMMIT, Place::reference(reference), message).help("push a commit, from a complete clone")
}

/// Finds a pushed replace reference.
pub fn replace_reference(reference: &str) -> Finding {
    Finding::new(&REPLACE_REFERENCE, Place::reference(reference), format!("{reference} would hide pushed content"))
        .help("leave it out of the push")
}

/// Finds a malformed tree.
pub fn malformed(folder: &str, why: &str) -> Finding {
    let name = if folder.is_empty() { "/" } else { folder };
    Finding::new(&TREE_MALFORMED, Place::path(name, None), format!("this folder holds {why}"))
        .help("make the commit again with Git itself")
}
