//! `schemagate install`: put the hooks into a repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::commands::server::{Unusable, load};
use crate::commands::shims::{self, CLIENT, SERVER};
use crate::commands::{Console, Exit};
use crate::git::repository::Repository;
use crate::render::Format;
use crate::text::for_shell;

/// Installs the hooks into a repository.
///
/// In a bare repository pre-receive and post-receive, in a working one pre-commit, pre-merge-commit and pre-push. A
/// hook that is there already is kept and runs first. Safe to repeat; `uninstall` puts everything back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate install                          this clone
  schemagate install --strict                 and refuse commits when the program is missing
  schemagate install --server /srv/git/shop.git

Exit code: 0 the hooks are in place, 2 they are not.")]
pub struct Args {
    /// Install the hooks of a server
    #[arg(long, conflicts_with = "client")]
    server: bool,
    /// Install the hooks of a developer's clone
    #[arg(long)]
    client: bool,
    /// Clone only: refuse when the program is missing, instead of warning
    #[arg(long)]
    strict: bool,
    /// Install into a hooks folder outside of the repository, which other repositories may share
    #[arg(long)]
    shared_hooks: bool,
    /// The program that the hooks run, instead of this one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The repository
    #[arg(value_name = "REPO", default_value = ".")]
    repo: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// If the hooks cannot be put in place so that Git runs them.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    let repository = Repository::discover(&args.repo)?;
    let server = args.server || (!args.client && repository.work_tree.is_none());
    let folder = hooks_folder(&repository, args.shared_hooks)?;
    let program = program(args.program.as_deref())?;
    let hooks: &[&str] = if server { &SERVER } else { &CLIENT };
    let (mut texts, mut changes) = (Vec::new(), Vec::new());
    for hook in hooks {
        texts.push((hook, shims::text(hook, &program, args.strict)?));
    }
    for (hook, text) in &texts {
        changes.push((folder.join(hook), shims::install(&folder, hook, text)?));
    }
    shims::tell(&changes, console);
    for hook in hooks {
        prove(&repository, &folder, hook)?;
    }
    if server && console.format == Format::Human {
        server_notes(&repository, console)?;
    }
    Ok(Exit::Clean)
}

/// The folder in which Git looks for hooks, `core.hooksPath` considered.
///
/// # Errors
/// If it lies outside of the repository and that was not asked for, or cannot be made.
pub fn hooks_folder(repository: &Repository, shared: bool) -> Result<PathBuf> {
    let folder = &repository.hooks_dir;
    std::fs::create_dir_all(folder).with_context(|| format!("the hooks folder {} cannot be made", folder.display()))?;
    let real = std::fs::canonicalize(folder)?;
    let inside = |top: &Path| std::fs::canonicalize(top).is_ok_and(|top| real.starts_with(top));
    let own = inside(&repository.common_dir) || repository.work_tree.as_deref().is_some_and(inside);
    if !own && !shared {
        bail!(
            "core.hooksPath points to {}, outside of this repository: hooks there would run for every repository that \
             uses it; add --shared-hooks if that is meant, or unset core.hooksPath",
            folder.display()
        );
    }
    Ok(real)
}

/// The absolute path of the program, proved to run.
fn program(given: Option<&Path>) -> Result<PathBuf> {
    let program = match given {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().context("the program's own path is unknown")?,
    };
    let program = std::fs::canonicalize(&program).with_context(|| format!("{} does not exist", program.display()))?;
    let output = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() && output.stdout.starts_with(b"schemagate ") => Ok(program),
        _ => bail!("{} does not run, or is not schemagate", program.display()),
    }
}

/// Refuses to leave a state in which Git would silently skip the hook.
fn prove(repository: &Repository, folder: &Path, hook: &str) -> Result<()> {
    let path = folder.join(hook);
    if !shims::is_ours(&path) || !shims::executable(&path) {
        bail!("{} is not in place: Git would let everything through", path.display());
    }
    let again = Repository::discover(repository.work_tree.as_deref().unwrap_or(&repository.git_dir))?;
    if std::fs::canonicalize(&again.hooks_dir).ok().as_deref() != Some(folder) {
        bail!("Git looks for hooks in {}, not in {}", again.hooks_dir.display(), folder.display());
    }
    let checked = Command::new("/bin/sh").arg("-n").arg(&path).status();
    if !checked.is_ok_and(|status| status.success()) {
        bail!("{} cannot be run by /bin/sh", path.display());
    }
    Ok(())
}

/// Says what else a server needs.
fn server_notes(repository: &Repository, console: &mut Console<'_>) -> Result<()> {
    match load(repository, None)? {
        Ok(_) => {}
        Err(Unusable::Absent(path)) => console.say(&format!(
            "note: {} does not exist yet; until it does, every push is refused.\nnote: `schemagate init --server` writes one.\n",
            path.display()
        )),
        Err(Unusable::Invalid(report)) => {
            console.report(&report);
            console.say("note: until the server file is mended, every push is refused.\n");
        }
    }
    let wanted = [
        ("receive.fsckobjects", "true", "receive.fsckObjects true", "malformed trees are then refused before any hook"),
        (
            "receive.hiderefs",
            "refs/replace",
            "receive.hideRefs refs/replace",
            "replace references are then refused before any hook",
        ),
    ];
    for (key, value, setting, why) in wanted {
        if repository.config(key)?.as_deref() != Some(value) {
            let folder = for_shell(&repository.git_dir.display().to_string());
            console.say(&format!("hint: git -C {folder} config {setting}   ({why})\n"));
        }
    }
    Ok(())
}
