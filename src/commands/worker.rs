//! The worker: a process of its own that rolls out after a push, so that no client can cut it short.
//!
//! The hook starts it with its output in a journal file and shows that file as it grows. A client that goes away, a
//! signal to the hook's group or a full pipe reach only the hook.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::commands::rollout::Order;
use crate::commands::server::{Loaded, require};
use crate::commands::{Console, Exit, apply, ledger};
use crate::disk;
use crate::engine::Provenance;
use crate::environment;
use crate::git::refs::{Branch, branches};
use crate::git::repository::Repository;
use crate::host::Pusher;
use crate::render::rollout::TargetView;

/// Rolls out after a push. The post-receive hook starts this; people use `sync`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The Git directory
    #[arg(long)]
    git_dir: PathBuf,
    /// Who pushed
    #[arg(long)]
    pusher: String,
    /// Who says so
    #[arg(long)]
    pusher_source: String,
    /// The file that its output goes to; how it ended is written beside it
    #[arg(long)]
    journal: Option<PathBuf>,
    /// A branch that moved; all watched ones if none is given
    #[arg(long)]
    branch: Vec<String>,
}

/// How many journals are kept.
const JOURNALS: usize = 50;
/// Branches beyond this number are not named one by one.
const MOST_NAMED: usize = 50;

/// Starts a worker and, unless it is detached, shows what it writes until it ends.
///
/// # Errors
/// If it cannot be started.
pub fn start(
    repository: &Repository,
    branches: &[String],
    pusher: &Pusher,
    detach: bool,
    console: &mut Console<'_>,
) -> Result<Exit> {
    let journal = journal_file(&repository.common_dir)?;
    let file = std::fs::File::create(&journal).with_context(|| format!("{} cannot be written", journal.display()))?;
    // Held by all that write into it, from before the first of them until the last one has ended, however it ends: who can
    // have it knows that nobody is at work (flock(2)).
    file.lock().with_context(|| format!("{} cannot be locked", journal.display()))?;
    let mut command = Command::new(std::env::current_exe().context("the program's own path is unknown")?);
    command
        .arg("worker")
        .arg(format!("--pusher={}", pusher.name))
        .arg(format!("--pusher-source={}", pusher.source))
        .arg("--git-dir")
        .arg(&repository.git_dir)
        .arg("--journal")
        .arg(&journal)
        // A group of its own from the first moment: a signal to the hook's group does not reach it.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    if branches.len() <= MOST_NAMED {
        for branch in branches {
            command.arg(format!("--branch={branch}"));
        }
    }
    for name in environment::OF_GIT {
        command.env_remove(name);
    }
    let mut child = command.spawn().context("the worker could not be started")?;
    if detach {
        let shown = crate::text::sanitize(&journal.display().to_string()).into_owned();
        console.say(&format!("schemagate: rolling out in the background; see `schemagate status` and {shown}\n"));
        return Ok(Exit::Clean);
    }
    let mut reader = std::fs::File::open(&journal)?;
    let mut pause = Duration::from_millis(2);
    loop {
        let ended = child.try_wait()?;
        let mut text = Vec::new();
        reader.read_to_end(&mut text)?;
        console.say(&String::from_utf8_lossy(&text));
        if let Some(status) = ended {
            if status.code().is_none() {
                console.say(&format!(
                    "error: the rollout was cut off ({status}); what ran is recorded: schemagate status shows it, schemagate \
                     sync goes on\n"
                ));
            }
            return Ok(match status.code() {
                Some(0) => Exit::Clean,
                Some(1) => Exit::Findings,
                _ => Exit::Failure,
            });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Chooses the name of a new journal and removes the oldest ones.
fn journal_file(common_dir: &Path) -> Result<PathBuf> {
    let folder = ledger::folder(common_dir).join("journal");
    disk::folder_like_gits(common_dir, &folder)?;
    let mut journals: Vec<PathBuf> = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).collect();
    journals.sort();
    for old in journals.iter().take(journals.len().saturating_sub(2 * JOURNALS - 2)) {
        let _ = std::fs::remove_file(old);
    }
    let now = time::OffsetDateTime::now_utc();
    let stamp =
        now.format(time::macros::format_description!("[year][month][day]T[hour][minute][second]")).unwrap_or_default();
    Ok(folder.join(format!("{stamp}-{:06}-{}.log", now.microsecond(), std::process::id())))
}

/// Runs the command.
///
/// # Errors
/// If the repository or the server file cannot be read.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    let stop = stop_flag()?;
    let ended = roll_out(args, &|| stop.load(Ordering::Relaxed), console);
    if let Some(journal) = &args.journal {
        let code = ended.as_ref().map_or(Exit::Failure as i32, |exit| *exit as i32);
        let _ = std::fs::write(journal.with_extension("exit"), format!("{code}\n"));
    }
    ended
}

/// How the last rollout after a push stands.
pub struct Last {
    /// Its output.
    pub journal: PathBuf,
    /// Its exit code; none while it runs, or if it was killed.
    pub exit: Option<i32>,
    /// Whether it runs.
    pub running: bool,
}

/// Finds the last rollout that a push started.
pub fn last(common_dir: &Path) -> Option<Last> {
    let folder = ledger::folder(common_dir).join("journal");
    let journals = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let journal = journals.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max()?;
    let exit = std::fs::read_to_string(journal.with_extension("exit")).ok().and_then(|code| code.trim().parse().ok());
    let held = std::fs::File::open(&journal).is_ok_and(|file| file.try_lock_shared().is_err());
    let running = exit.is_none() && held;
    Some(Last { journal, exit, running })
}

fn roll_out(args: &Args, stopped: &(dyn Fn() -> bool + Sync), console: &mut Console<'_>) -> Result<Exit> {
    let repository = Repository::discover(&args.git_dir)?;
    let loaded = match require(&repository, None, console)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let provenance = Provenance {
        pusher: args.pusher.clone(),
        pusher_source: args.pusher_source.clone(),
        ..apply::local_provenance()
    };
    let wanted = |branch: &Branch| args.branch.is_empty() || args.branch.contains(&branch.name);
    Ok(until_still(&repository, &loaded, &wanted, &provenance, stopped, false, console)?.0)
}

/// Rolls out the watched branches, and again those that moved meanwhile, until they stand still.
///
/// # Errors
/// If the repository cannot be read.
pub fn until_still(
    repository: &Repository,
    loaded: &Loaded,
    wanted: &dyn Fn(&Branch) -> bool,
    provenance: &Provenance,
    stop: &(dyn Fn() -> bool + Sync),
    quiet: bool,
    console: &mut Console<'_>,
) -> Result<(Exit, Vec<TargetView>)> {
    let tips = || -> Result<Vec<Branch>> {
        let all = branches(repository)?;
        Ok(all.into_iter().filter(|branch| wanted(branch) && loaded.server.watches(&branch.name)).collect())
    };
    let mut done: Vec<Branch> = Vec::new();
    let mut exit = Exit::Clean;
    let mut views = Vec::new();
    loop {
        let moved: Vec<Branch> = tips()?.into_iter().filter(|branch| !done.contains(branch)).collect();
        if moved.is_empty() || stop() {
            return Ok((exit, views));
        }
        for branch in moved {
            let provenance = Provenance { commit: branch.tip.to_string(), ..provenance.clone() };
            let order = Order { environment: None, database: None, dry: false, as_new: false, provenance, stop };
            let (one, shown) = apply::branch(repository, loaded, &branch, &order, quiet, console)?;
            views.extend(shown);
            exit = if one == Exit::Clean { exit } else { one };
            done.push(branch);
        }
    }
}

/// A flag that SIGTERM and SIGINT raise: the rollout then stops between two files.
///
/// # Errors
/// If the handlers cannot be set.
pub fn stop_flag() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&flag)).context("signal handlers cannot be set")?;
    }
    Ok(flag)
}
