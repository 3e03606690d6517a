//! `schemagate sync`: finish what any earlier push left, from a timer or by hand.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::Result;

use crate::commands::apply::{local_provenance, write_json};
use crate::commands::server::require;
use crate::commands::worker::{stop_flag, until_still};
use crate::commands::{Console, Exit};
use crate::git::repository::Repository;
use crate::render::Format;
use crate::render::rollout::TargetView;

/// Brings every target to the tip of its branch; says nothing where nothing is to do.
///
/// Meant for a timer: it repairs a push whose post-receive hook never ran, because the client went away, and goes on
/// with rollouts that were stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate sync /srv/git/shop.git
  schemagate sync /srv/git/*.git        several repositories, one after the other

Exit code: 0 all targets are up to date or wait for earlier environments, 1 a target failed or was held back, 2 failure.")]
pub struct Args {
    /// The repositories
    #[arg(value_name = "REPO", default_value = ".")]
    repos: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// If a repository or its server file cannot be read; the ones after it are still tried.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    let stop = stop_flag()?;
    let mut exit = Exit::Clean;
    let mut failure = None;
    let mut views = Vec::new();
    for repo in &args.repos {
        match one(repo, &|| stop.load(Ordering::Relaxed), console) {
            Ok((one, shown)) => {
                exit = if one == Exit::Clean { exit } else { one };
                views.extend(shown);
            }
            Err(error) => {
                let error = error.context(format!("{} was not synchronised", repo.display()));
                if let Some(earlier) = failure.replace(error) {
                    crate::output::complain(&format!("error: {earlier:#}\n"));
                }
            }
        }
    }
    if console.format == Format::Json {
        write_json(&views, console);
    }
    failure.map_or(Ok(exit), Err)
}

fn one(
    repo: &std::path::Path,
    stop: &(dyn Fn() -> bool + Sync),
    console: &mut Console<'_>,
) -> Result<(Exit, Vec<TargetView>)> {
    let repository = Repository::discover(repo)?;
    let loaded = match require(&repository, None, console)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok((exit, Vec::new())),
    };
    until_still(&repository, &loaded, &|_| true, &local_provenance(), stop, true, console)
}
