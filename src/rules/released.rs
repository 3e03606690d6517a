//! Rules about migrations that are released: the old tip holds them, so databases may have run them.

use std::collections::BTreeSet;

use crate::finding::{Finding, Place, Rule, Severity};
use crate::migration::{Change, FileMode, Migration, RepoPath};
use crate::rules::order::OUT_OF_ORDER;
use crate::rules::{Family, Looks};
use crate::text::{enumerate, for_shell, sanitize};

/// A released migration was edited.
pub static RELEASED_EDITED: Rule = Rule {
    name: "released-edited",
    severity: Severity::Error,
    configurable: false,
    summary: "A released migration is edited.",
    explanation: "Databases that have run the file will not run it again, so they would differ from new ones. Leave the \
                  file as it was and add a new migration. A file that no database has run (it failed everywhere, or \
                  never started) may be edited: the server knows from its ledger.",
};

/// A released migration was reformatted.
pub static RELEASED_REFORMATTED: Rule = Rule {
    name: "released-reformatted",
    severity: Severity::Note,
    configurable: true,
    summary: "White space or comments of a released migration are changed.",
    explanation: "What the file says is what it said, so databases that have run it are as they would be. It is not run \
                  again. Raise the severity if released files are not to be touched at all.",
};

/// A released migration was deleted.
pub static RELEASED_DELETED: Rule = Rule {
    name: "released-deleted",
    severity: Severity::Error,
    configurable: false,
    summary: "A released migration is deleted.",
    explanation: "Databases that have run the file keep its effect, and new ones would never get it. Bring the file \
                  back and add a migration that undoes it.",
};

/// A released migration was renamed.
pub static RELEASED_RENAMED: Rule = Rule {
    name: "released-renamed",
    severity: Severity::Error,
    configurable: false,
    summary: "A released migration is renamed or moved.",
    explanation: "Its path says which database, version and order it has; under another one it would run again. Move \
                  it back.",
};

/// A released migration became a link.
pub static RELEASED_REPLACED: Rule = Rule {
    name: "released-replaced",
    severity: Severity::Error,
    configurable: false,
    summary: "A released migration is replaced by a link or a submodule.",
    explanation: "What databases have run can then no longer be read. Bring the file back.",
};

/// Another branch brought another file under the same version to a database that both serve.
pub static VERSION_TAKEN: Rule = Rule {
    name: "version-taken",
    severity: Severity::Error,
    configurable: false,
    summary: "A database of this branch has run another file under the version of a new one.",
    explanation: "Where several branches serve one environment, each may bring a file of its own under the same version. A \
                  database runs one of them; the other would stop it. The server knows from its ledger what ran. Give the \
                  new file another version.",
};

/// The content of a new file ran under another version, which another branch brought.
pub static RUNS_AGAIN: Rule = Rule {
    name: "runs-again",
    severity: Severity::Error,
    configurable: false,
    summary: "A database of this branch has run the content of a new file under a version that this branch does not have.",
    explanation: "A file that another branch brought to a database of both, and that got another version in a merge, would \
                  run there a second time. It keeps the version under which it ran; of two files under one version the one \
                  that has run nowhere gets another.",
};

/// The manifest reads released migrations as something else.
pub static RELEASED_REREAD: Rule = Rule {
    name: "released-reread",
    severity: Severity::Error,
    configurable: false,
    summary: "A change of the manifest gives released migrations another meaning, or none.",
    explanation: "Another project name, template, version order, base directory or `ignore` would let released files run \
                  again, under another version or for another database, or take them out of what is judged. Keep the \
                  old settings for what is released, and add a new [[project]] for what is to come. The server file \
                  can allow it: `allow-layout-change = true` under `[policy]`.",
};

/// The family.
pub const FAMILY: Family = Family {
    rules: &[
        &RELEASED_EDITED,
        &RELEASED_REFORMATTED,
        &RELEASED_DELETED,
        &RELEASED_RENAMED,
        &RELEASED_REPLACED,
        &RELEASED_REREAD,
        &VERSION_TAKEN,
        &RUNS_AGAIN,
    ],
    looks: Looks::Elsewhere,
};

/// How to name the state in which the file was released, for the command that brings it back.
#[derive(Debug, Clone)]
pub struct Baseline {
    /// A revision that a person can use, such as `origin/main` or a short commit.
    pub revision: String,
    /// Whether a server judges, which knows from its ledger what ran nowhere. A clone does not.
    pub on_server: bool,
}

/// Finds that so many released migrations are read otherwise; `first` is one of them.
pub fn reread(first: &Migration, how: &str, count: usize) -> Finding {
    let files = crate::text::count(count, "released migration");
    let message = format!(
        "the changed manifest reads {files} otherwise: this one, version {} {}, {how}",
        first.version, first.kind
    );
    Finding::new(&RELEASED_REREAD, Place::path(first.path.display(), None), message)
        .help("keep these settings, and add a new [[project]] for what is to come")
}

/// What ran on databases that several branches serve, and what it is to a new file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What it is to the file.
    pub how: Clash,
    /// The targets where it ran.
    pub on: Vec<String>,
    /// The branches that may have brought it.
    pub by: BTreeSet<String>,
}

/// What ran, seen from a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clash {
    /// Another file under its version.
    Version,
    /// Its very content, under a version that its branch does not have.
    Content,
    /// A later version.
    Order,
}

impl Taken {
    /// Nothing is known yet but what it is.
    pub fn new(how: Clash) -> Self {
        Self { how, on: Vec::new(), by: BTreeSet::new() }
    }

    /// The finding about a file.
    pub fn finding(&self, migration: &Migration) -> Finding {
        let path = migration.path.display();
        let (whom, on) = (format!("version {} {}", migration.version, migration.kind), enumerate(&self.on, 8));
        let branches: Vec<String> = self.by.iter().map(|name| format!("`{}`", sanitize(name))).collect();
        let by = enumerate(&branches, 4);
        let renumber = format!("merge {by}, then schemagate renumber --released {}", for_shell(&path));
        let (rule, message, help) = match self.how {
            Clash::Version => {
                let what = "with other content, which another branch brought; there this file would stop everything";
                (&VERSION_TAKEN, format!("{whom} has run on {on} {what}"), renumber)
            }
            Clash::Order => {
                let what = "which another branch brought; there this file would stop everything";
                let message = format!("{whom} comes too late: a later version has run on {on}, {what}");
                (&OUT_OF_ORDER, message, format!("{renumber}; or set out-of-order = \"allow\""))
            }
            Clash::Content => (
                &RUNS_AGAIN,
                format!(
                    "the content of {whom} has run on {on} under the version that another branch gave it: it would run twice"
                ),
                format!(
                    "merge {by} and let the file keep its name from there; where it comes too late, set out-of-order = \"allow\"; if it is \
                     to run again, say so in a comment in it"
                ),
            ),
        };
        Finding::new(rule, Place::path(path, None), message).help(help)
    }
}

/// Finds that an edit of a released migration touches only white space and comments.
pub fn reformatted(migration: &Migration) -> Finding {
    let message = format!(
        "version {} {} is released; only its white space or comments changed, so it does not run again",
        migration.version, migration.kind
    );
    Finding::new(&RELEASED_REFORMATTED, Place::path(migration.path.display(), None), message)
}

/// Finds what a change does to a released migration. `renamed_to` is where its content went, if it went somewhere.
pub fn judge(
    migration: &Migration,
    change: &Change,
    renamed_to: Option<&RepoPath>,
    baseline: &Baseline,
) -> Option<Finding> {
    let path = migration.path.display();
    let back = format!("git checkout {} -- {}", baseline.revision, for_shell(&path));
    let whom = format!("version {} {}", migration.version, migration.kind);
    let finding = |rule: &'static Rule, message: String, help: String| {
        let finding = Finding::new(rule, Place::path(path.clone(), None), message).help(help);
        let leave = "if it ran nowhere because it failed: commit and push with --no-verify, the server knows";
        Some(if baseline.on_server { finding } else { finding.note(leave) })
    };
    match (&change.before, &change.after) {
        (Some(_), None) => match renamed_to {
            Some(target) => finding(
                &RELEASED_RENAMED,
                format!(
                    "{whom} is released and was renamed to `{}`; databases that have run it would run it again",
                    target.display()
                ),
                format!("git mv {} {}", for_shell(&target.display()), for_shell(&path)),
            ),
            None => finding(
                &RELEASED_DELETED,
                format!("{whom} is released and was deleted; databases that have run it keep its effect"),
                format!("{back}, then add a migration that undoes it"),
            ),
        },
        (Some(_), Some((FileMode::Symlink | FileMode::Submodule | FileMode::Unknown(_), _))) => finding(
            &RELEASED_REPLACED,
            format!("{whom} is released and was replaced by something that is not a file"),
            back,
        ),
        (Some((_, old)), Some((_, new))) if old != new => finding(
            &RELEASED_EDITED,
            format!("{whom} is released and was edited; databases that have run it will not run it again"),
            format!("{back}, then `schemagate new` for what is to change"),
        ),
        _ => None,
    }
}
