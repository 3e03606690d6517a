//! `schemagate apply`: run what is pending, by hand.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::{Result, bail};
use serde_json::json;

use crate::commands::rollout::{Event, Order, roll_out};
use crate::commands::server::{Loaded, require};
use crate::commands::worker::stop_flag;
use crate::commands::{Console, Exit};
use crate::engine::Provenance;
use crate::git::refs::{Branch, branches};
use crate::git::repository::Repository;
use crate::history::Said;
use crate::host;
use crate::render::rollout::{Standing, TargetView, said, step, target, wave};
use crate::render::{Format, json::text};

/// Which repository, branch and targets a command is about.
#[derive(Debug, clap::Args)]
pub struct Selection {
    /// The repository: a bare one on the server, or any clone
    #[arg(long, short = 'C', value_name = "FOLDER", default_value = ".")]
    pub repo: PathBuf,
    /// The server file, instead of the repository's own
    #[arg(long, value_name = "FILE")]
    pub server_file: Option<PathBuf>,
    /// Only this branch; every watched one without it
    #[arg(long, short, value_name = "BRANCH")]
    pub branch: Option<String>,
    /// Only this environment
    #[arg(long, short, value_name = "NAME")]
    pub environment: Option<String>,
    /// Only this database
    #[arg(long, short, value_name = "NAME")]
    pub database: Option<String>,
}

/// Runs what is pending: the tip of each watched branch minus what history says has run.
///
/// Safe to repeat at any time: what has run is skipped, what stopped goes on where that is certain, and where history
/// and files disagree nothing runs and the reason is shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate apply                                  everything, in this repository
  schemagate apply -C /srv/git/shop.git -e test     only the environment test
  schemagate apply --format json                    for a program

Exit code: 0 all targets are up to date or wait for earlier environments, 1 a target failed or was held back, 2 failure.")]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Take a database that holds tables but no history any more as a new one: run everything
    #[arg(long)]
    as_new: bool,
}

/// Runs the command.
///
/// # Errors
/// If the repository or the server file cannot be read.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    let stop = stop_flag()?;
    selected(&args.selection, Wish { dry: false, as_new: args.as_new }, &|| stop.load(Ordering::Relaxed), console)
}

/// What is to be done with what a selection names.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Whether plans are only shown.
    pub dry: bool,
    /// Whether a database whose history is gone is taken as a new one.
    pub as_new: bool,
}

/// Plans or applies what a selection names.
///
/// # Errors
/// If the repository or the server file cannot be read, or a name in the selection is unknown.
pub fn selected(
    selection: &Selection,
    wish: Wish,
    stop: &(dyn Fn() -> bool + Sync),
    console: &mut Console<'_>,
) -> Result<Exit> {
    let opened = match open(selection, console)? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let server = &opened.loaded.server;
    let one = selection.environment.is_some() && selection.database.is_some()
        || server.targets.len() == 1 && server.tenants.is_empty();
    if wish.as_new && !one {
        bail!("--as-new runs everything again, so it is for one target: name it with -e and -d");
    }
    if !wish.dry && console.format == Format::Human && opened.repository.work_tree.is_some() {
        console.say("note: this is a clone; the server's ledger does not learn what runs from here\n");
    }
    let mut views = Vec::new();
    let mut exit = Exit::Clean;
    for branch in &opened.branches {
        let order = Order {
            environment: selection.environment.as_deref(),
            database: selection.database.as_deref(),
            dry: wish.dry,
            as_new: wish.as_new,
            provenance: Provenance { commit: branch.tip.to_string(), ..local_provenance() },
            stop,
        };
        let json = console.format == Format::Json;
        if !json {
            console.say(&head(branch));
        }
        let shown = roll_out(&opened.repository, &opened.loaded, branch, &order, &mut |event| {
            if !json {
                show(&event, wish.dry, false, console);
            }
        })?;
        match shown {
            Ok(branch_views) => views.extend(branch_views),
            Err(report) => exit = console.report(&report),
        }
    }
    somebody(selection, &opened.loaded, views.len())?;
    if console.format == Format::Json {
        write_json(&views, console);
    }
    let bad = views.iter().any(|view| view.standing.is_bad());
    Ok(if bad { Exit::Findings } else { exit })
}

/// A repository with its server file and the branches that a selection names.
pub struct Opened {
    /// The repository.
    pub repository: Repository,
    /// Its server file.
    pub loaded: Loaded,
    /// The branches.
    pub branches: Vec<Branch>,
}

/// Opens what a selection names.
///
/// # Errors
/// If it cannot be read, or a name in the selection is unknown.
pub fn open(selection: &Selection, console: &mut Console<'_>) -> Result<Result<Opened, Exit>> {
    let repository = Repository::discover(&selection.repo)?;
    let loaded = match require(&repository, selection.server_file.as_deref(), console)? {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(Err(exit)),
    };
    check_names(selection, &loaded)?;
    let mut watched = branches(&repository)?;
    watched.retain(|branch| loaded.server.watches(&branch.name));
    if let Some(name) = &selection.branch {
        watched.retain(|branch| branch.name == *name);
        if watched.is_empty() {
            bail!("there is no watched branch `{}` here", crate::text::sanitize(name));
        }
    }
    Ok(Ok(Opened { repository, loaded, branches: watched }))
}

fn check_names(selection: &Selection, loaded: &Loaded) -> Result<()> {
    let environments: Vec<&str> =
        loaded.server.environments.iter().map(|environment| environment.name.as_str()).collect();
    let databases: Vec<&str> = loaded.server.targets.iter().map(|target| target.audience.database().as_str()).collect();
    let asked = [("environment", &selection.environment, &environments), ("database", &selection.database, &databases)];
    for (what, given, known) in asked {
        // Which tenants there are is known only when they are asked for.
        let open = what == "database" && !loaded.server.tenants.is_empty();
        if let Some(given) = given.as_deref().filter(|given| !open && !known.contains(given)) {
            let near = crate::text::did_you_mean(given, known.iter().copied());
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            bail!("the server file has no {what} `{}`{near}", crate::text::sanitize(given));
        }
    }
    Ok(())
}

/// Makes sure that a database that a selection names is one of a target or a tenant: `found` are.
///
/// # Errors
/// If none is.
pub fn somebody(selection: &Selection, loaded: &Loaded, found: usize) -> Result<()> {
    if let Some(name) = selection.database.as_deref().filter(|_| found == 0 && !loaded.server.tenants.is_empty()) {
        bail!("no target and no tenant that is meant has the database `{}`", crate::text::sanitize(name));
    }
    Ok(())
}

/// The provenance of work that is started by a person or a timer on this machine.
pub fn local_provenance() -> Provenance {
    Provenance {
        commit: String::new(),
        pusher: host::user_name(),
        pusher_source: "unix".to_owned(),
        host: host::host_name(),
        process: std::process::id(),
    }
}

fn head(branch: &Branch) -> String {
    format!("schemagate: {} at {}\n", crate::text::sanitize(&branch.name), branch.tip.short())
}

/// Rolls out one branch and, for people, writes what happens. `quiet` leaves out targets that were up to date.
///
/// # Errors
/// If the repository cannot be read.
pub fn branch(
    repository: &Repository,
    loaded: &Loaded,
    branch: &Branch,
    order: &Order<'_>,
    quiet: bool,
    console: &mut Console<'_>,
) -> Result<(Exit, Vec<TargetView>)> {
    let human = console.format == Format::Human;
    if human && !quiet {
        console.say(&head(branch));
    }
    let shown = roll_out(repository, loaded, branch, order, &mut |event| {
        if human {
            show(&event, false, quiet, console);
        }
    })?;
    match shown {
        Ok(views) if views.iter().any(|view| view.standing.is_bad()) => {
            if human {
                console.say("error: not all databases are up to date; see above. The push itself stands.\n");
            }
            Ok((Exit::Findings, views))
        }
        Ok(views) => Ok((Exit::Clean, views)),
        Err(report) => Ok((console.report(&report), Vec::new())),
    }
}

/// Writes targets for programs.
pub fn write_json(targets: &impl serde::Serialize, console: &mut Console<'_>) {
    console.say(&text(&json!({ "program": "schemagate", "version": env!("CARGO_PKG_VERSION"), "targets": targets })));
}

fn show(event: &Event<'_>, dry: bool, quiet: bool, console: &mut Console<'_>) {
    match event {
        Event::Waiting(label, holder) => console.say(&format!("  {label:<18} waiting: {holder} is at work on it\n")),
        Event::Said(label, what @ Said::Running { elapsed, .. }) => console.progress(&said(label, what), *elapsed),
        Event::Said(label, what) => console.say(&said(label, what)),
        Event::Progress(line, elapsed) => console.progress(line, *elapsed),
        Event::Step(label, view) => console.say(&step(label, view)),
        Event::Wave(view) => {
            if !quiet || view.current + view.pending + view.waiting != view.tenants {
                console.say(&wave(view));
            }
        }
        Event::Target(view) => {
            if dry {
                for pending in &view.steps {
                    console.say(&step(&view.label(), pending));
                }
            }
            // What waits for people is no news.
            if !quiet || !matches!(view.standing, Standing::Current | Standing::Pending | Standing::Waiting) {
                console.say(&target(view));
            }
        }
    }
}
