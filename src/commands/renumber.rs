//! `schemagate renumber`: give late files the next version.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::check::{Reading, read_path};
use crate::commands::check::locate;
use crate::commands::new::Known;
use crate::commands::{Console, Exit};
use crate::config::manifest::Project;
use crate::git::process;
use crate::migration::{Migration, ObjectId, RepoPath};
use crate::render::{Format, json::text};

/// Renames migrations so that they come after every other one of their database and environment.
///
/// Files that Git knows are moved with `git mv`, others are renamed. Several files keep their order among themselves,
/// and a ddl and a dml file of the same version stay together. Released migrations are not
/// touched, unless they are said to have run nowhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate renumber 'migrations/dev/shop##0004##ddl##late.sql'
  schemagate renumber --dry-run migrations/dev/*

Exit code: 0 renamed, 1 the manifest has mistakes, 2 failure.")]
pub struct Args {
    /// Only show what would be renamed
    #[arg(long)]
    dry_run: bool,
    /// Also released files; the server refuses the push where one has run
    #[arg(long)]
    released: bool,
    /// The files
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// If a file is no migration or is released, or it cannot be renamed.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    let (top, _) = locate(&args.paths[0], false)?;
    let mut known = match Known::read(&top)? {
        Ok(known) => known,
        Err(report) => return Ok(console.report(&report)),
    };
    let mut chosen = Vec::new();
    for path in &args.paths {
        let (_, inside) = locate(path, false)?;
        let (project, migration) = read(&known, &inside)?;
        let released = known.released.iter().any(|released| released.path == migration.path);
        if released && !args.released {
            bail!(
                "`{inside}` is released; databases may have run it, so it keeps its version (if none has: --released, and \
                 commit and push it with --no-verify; the server knows)"
            );
        }
        chosen.push((project.clone(), migration));
    }
    chosen.sort_by(|a, b| a.1.position().cmp(&b.1.position()));
    known.present.retain(|present| !chosen.iter().any(|(_, migration)| migration.path == present.path));
    let mut renamed = Vec::new();
    let mut together: Vec<(Migration, String)> = Vec::new();
    for (project, migration) in &chosen {
        let same =
            together.iter().find(|(other, _)| belongs_with(other, migration)).map(|(_, version)| version.clone());
        let version = match same {
            Some(version) => version,
            None => next(&known, project, migration)?,
        };
        let target = with_version(project, migration, &version)?;
        let mut moved = migration.clone();
        moved.path = RepoPath::from(target.as_str());
        moved.version = crate::migration::Version::new(version.clone());
        moved.version_key = project.order.key(&version);
        known.present.push(moved);
        together.push((migration.clone(), version));
        renamed.push((migration.path.display(), target));
    }
    for (from, to) in &renamed {
        if !args.dry_run {
            rename(&known, from, to)?;
        }
        if console.format == Format::Human {
            console.say(&format!("{from} -> {to}\n"));
        }
    }
    if console.format == Format::Json {
        let list: Vec<_> = renamed.iter().map(|(from, to)| json!({ "from": from, "to": to })).collect();
        console.say(&text(&json!({ "renamed": list, "written": !args.dry_run })));
    }
    Ok(Exit::Clean)
}

fn read<'k>(known: &'k Known, inside: &str) -> Result<(&'k Project, Migration)> {
    let path = RepoPath::from(inside);
    let blob = ObjectId::from_raw(&[0; 20]);
    match read_path(&known.manifest.settings, &path, &blob) {
        Reading::Migration(project, migration) => Ok((project, *migration)),
        _ => bail!("`{inside}` is not a migration; `schemagate explain '{inside}'` says why"),
    }
}

fn belongs_with(other: &Migration, migration: &Migration) -> bool {
    other.project == migration.project
        && other.environment == migration.environment
        && other.database == migration.database
        && other.version_key == migration.version_key
        && other.kind != migration.kind
}

fn next(known: &Known, project: &Project, migration: &Migration) -> Result<String> {
    let environment = migration.environment.as_ref().map(|name| name.as_str());
    let database = migration.database.as_ref().map(|name| name.as_str());
    let later = || format!("move `{}` to a later version with git mv", migration.path.display());
    known.next(project, environment, database).with_context(later)
}

/// Writes another version into every place where the path has one.
fn with_version(project: &Project, migration: &Migration, version: &str) -> Result<String> {
    let path = migration.path.as_str().context("the path is not UTF-8")?;
    let found = project.template.matches(path).context("the path does not match its template")?;
    let mut target = path.to_owned();
    for span in found.versions.iter().rev() {
        target.replace_range(span.start..span.end, version);
    }
    Ok(target)
}

fn rename(known: &Known, from: &str, to: &str) -> Result<()> {
    let (source, target): (PathBuf, PathBuf) = (known.top.join(from), known.top.join(to));
    if std::fs::symlink_metadata(&target).is_ok() {
        bail!("`{to}` is there already");
    }
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if known.repository.is_some() && in_index(&known.top, from)? {
        let output = process::git(None).current_dir(&known.top).args(["mv", "--", from, to]).output()?;
        if !output.status.success() {
            bail!("git mv failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        return Ok(());
    }
    std::fs::rename(&source, &target).with_context(|| format!("`{from}` cannot be renamed"))
}

fn in_index(top: &Path, path: &str) -> Result<bool> {
    let literal = format!(":(literal){path}");
    let output = process::git(None).current_dir(top).args(["ls-files", "-z", "--", &literal]).output()?;
    Ok(output.status.success() && !output.stdout.is_empty())
}
