//! `schemagate check`: judge the index, a commit, a range, a working tree, a folder, single files or standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::commands::changes::{Source, manifest};
use crate::commands::judge::{Case, judge};
use crate::commands::{Console, Exit, fix, single};
use crate::config::MANIFEST;
use crate::finding::Report;
use crate::git::baseline::{Released, released};
use crate::git::refs::{merge_base, resolve, tree_of};
use crate::git::repository::Repository;
use crate::migration::ObjectId;

/// Checks migrations: paths, order, immutability, bytes, SQL.
///
/// Without arguments every migration of the working tree is checked, and the order and immutability of what is new
/// against the released state: where the work left the remote's default branch (`release-branch` in the manifest
/// names another).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate check                     the working tree (or plain folder) here
  schemagate check --staged            what the next commit would hold
  schemagate check main..feature       what merging feature into main would bring
  schemagate check HEAD                the commit HEAD against its first parent
  schemagate check db/prod/a.sql       single files, by path and content alone
  schemagate check --fix               mend what is certain, show the files that belong behind it
  schemagate check --stdin-path P < F  the text on standard input as if it were the file P
  schemagate check --format sarif --output report.sarif
                                       a report for code scanning, and what people read here

Under GITHUB_ACTIONS findings are annotations; under GITLAB_CI --output writes a code quality report.

Exit code: 0 nothing refuses, 1 findings refuse, 2 failure, 64 usage.")]
pub struct Args {
    /// Check the index: what the next commit would hold
    #[arg(long, conflicts_with_all = ["what", "stdin_path"])]
    staged: bool,
    /// Write what is certain to be better into files that are not released yet, then check
    #[arg(long, conflicts_with_all = ["staged", "stdin_path"])]
    fix: bool,
    /// Check standard input as the content of this path
    #[arg(long, value_name = "PATH", conflicts_with = "what")]
    stdin_path: Option<String>,
    /// Write the report to a file; people are told here all the same
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show so many findings, and the number of the others
    #[arg(long, value_name = "NUMBER")]
    max_findings: Option<usize>,
    /// Files, a folder, a commit, or a range of commits `A..B`
    #[arg(value_name = "FILE|FOLDER|COMMIT|RANGE")]
    what: Vec<String>,
}

impl Args {
    /// Says whether the report goes into a file.
    pub fn writes_file(&self) -> bool {
        self.output.is_some()
    }
}

/// Runs the command.
///
/// # Errors
/// If a state cannot be read.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    console.most = args.max_findings;
    console.output.clone_from(&args.output);
    if args.fix {
        fix::write(&look(args)?, console)?;
    }
    let report = look(args)?;
    Ok(console.report(&report))
}

/// Judges what the arguments name.
fn look(args: &Args) -> Result<Report> {
    Ok(if args.staged {
        let repository = Repository::discover(Path::new("."))?;
        staged_report(&repository)?
    } else if let Some(path) = &args.stdin_path {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(1 << 30).read_to_end(&mut bytes)?;
        single::files(&[(path.clone(), Some(bytes))])?
    } else {
        match args.what.as_slice() {
            [] => working_tree(Path::new("."))?,
            [folder] if Path::new(folder).is_dir() => working_tree(Path::new(folder))?,
            [range] if !Path::new(range).exists() => revisions(range)?,
            files => single::files(&files.iter().map(|file| (file.clone(), None)).collect::<Vec<_>>())?,
        }
    })
}

/// Judges the index against the released state.
///
/// # Errors
/// If the repository cannot be read.
pub fn staged_report(repository: &Repository) -> Result<Report> {
    let head = resolve(repository, "HEAD")?;
    let base = released_state(repository, &Source::Index(repository), head.as_ref())?;
    judge(&Case {
        before: tree_source(repository, base.commit.as_ref())?,
        law: None,
        tip: tree_source(repository, base.tip.as_ref())?,
        after: Source::Index(repository),
        server: None,
        baseline: base.revision,
        all: false,
        ledgers: None,
    })
}

/// The tree of a commit, if there is one.
///
/// # Errors
/// If the commit cannot be read.
pub fn tree_source<'r>(repository: &'r Repository, commit: Option<&ObjectId>) -> Result<Option<Source<'r>>> {
    commit.map(|commit| Ok(Source::Tree(repository, tree_of(repository, commit)?))).transpose()
}

/// Finds the released state; the manifest of the state that is judged may name the branch.
///
/// # Errors
/// If the repository cannot be read.
pub fn released_state(repository: &Repository, after: &Source<'_>, work: Option<&ObjectId>) -> Result<Released> {
    let branch = manifest(after)?.ok().and_then(|manifest| manifest.settings.release_branch);
    released(repository, branch.as_deref(), work)
}

fn working_tree(folder: &Path) -> Result<Report> {
    let repository = Repository::discover(folder).ok().filter(|repository| repository.work_tree.is_some());
    let top = match &repository {
        Some(Repository { work_tree: Some(top), .. }) if !folder.join(MANIFEST).exists() => top.clone(),
        _ => folder.to_owned(),
    };
    let repository = repository.filter(|repository| same_folder(repository.work_tree.as_deref(), &top));
    let after = Source::Folder(top, repository.as_ref());
    let base = match &repository {
        Some(repository) => Some(released_state(repository, &after, resolve(repository, "HEAD")?.as_ref())?),
        None => None,
    };
    let (before, tip) = match (&repository, &base) {
        (Some(repository), Some(base)) => {
            (tree_source(repository, base.commit.as_ref())?, tree_source(repository, base.tip.as_ref())?)
        }
        _ => (None, None),
    };
    let baseline = base.as_ref().map_or_else(|| "HEAD".to_owned(), |base| base.revision.clone());
    judge(&Case { before, law: None, tip, after, server: None, baseline, all: true, ledgers: None })
}

fn same_folder(one: Option<&Path>, other: &Path) -> bool {
    let canonical = |path: &Path| std::fs::canonicalize(path).ok();
    one.and_then(canonical).is_some_and(|one| Some(one) == canonical(other))
}

fn revisions(range: &str) -> Result<Report> {
    let repository = Repository::discover(Path::new("."))?;
    let commit = |revision: &str| {
        let revision = if revision.is_empty() { "HEAD" } else { revision };
        resolve(&repository, revision)?.with_context(|| {
            format!("`{}` is neither a file, a folder nor a commit here", crate::text::sanitize(revision))
        })
    };
    let (old, new) = match range.split_once("..") {
        Some((old, new)) => (Some(commit(old.trim_end_matches('.'))?), commit(new.trim_start_matches('.'))?),
        None => (resolve(&repository, &format!("{range}^"))?, commit(range)?),
    };
    let tip = old.clone();
    let old = match &old {
        Some(old) if range.contains("..") => merge_base(&repository, old, &new)?,
        _ => old,
    };
    judge(&Case {
        before: tree_source(&repository, old.as_ref())?,
        law: None,
        tip: tree_source(&repository, tip.as_ref())?,
        after: Source::Tree(&repository, tree_of(&repository, &new)?),
        server: None,
        baseline: old.map_or_else(|| "HEAD".to_owned(), |old| old.short().to_owned()),
        all: false,
        ledgers: None,
    })
}

/// Finds the folder of the manifest that governs a file, and the file's path from there.
///
/// # Errors
/// If no folder above holds a manifest.
pub fn locate(given: &str, virtual_file: bool) -> Result<(PathBuf, String)> {
    let here = std::env::current_dir().context("the working directory is gone")?;
    let absolute = normal(&here.join(given));
    if !virtual_file && !absolute.exists() {
        bail!("`{given}` does not exist");
    }
    let mut top = absolute.parent();
    while let Some(folder) = top {
        if folder.join(MANIFEST).is_file() {
            let inside = absolute.strip_prefix(folder).context("a path outside of its folder")?;
            let inside = inside.to_str().context("the path is not UTF-8")?.to_owned();
            return Ok((folder.to_owned(), inside));
        }
        top = folder.parent();
    }
    bail!("no folder above `{given}` holds a {MANIFEST}; `schemagate init` writes one")
}

/// Resolves `.` and `..` by name, without touching the disk.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            std::path::Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}
