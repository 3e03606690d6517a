//! `schemagate uninstall`: take the hooks out again.

use std::path::PathBuf;

use anyhow::Result;

use crate::commands::shims::{self, CLIENT, Change, SERVER};
use crate::commands::{Console, Exit};
use crate::git::repository::Repository;
use crate::render::Format;

/// Removes the hooks that `install` wrote and puts back those that were there before.
///
/// Files that `install` did not write are left alone, and so are the manifest, the server file and all history.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate uninstall
  schemagate uninstall /srv/git/shop.git

Exit code: 0, or 2 if a file cannot be removed.")]
pub struct Args {
    /// The repository
    #[arg(value_name = "REPO", default_value = ".")]
    repo: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// If the hooks folder cannot be written.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    let repository = Repository::discover(&args.repo)?;
    let mut changes = Vec::new();
    for hook in CLIENT.iter().chain(&SERVER) {
        let change = shims::remove(&repository.hooks_dir, hook)?;
        if change != Change::Unchanged {
            changes.push((repository.hooks_dir.join(hook), change));
        }
    }
    shims::tell(&changes, console);
    if changes.is_empty() && console.format == Format::Human {
        console.say("no hooks of schemagate are installed here\n");
    }
    Ok(Exit::Clean)
}
