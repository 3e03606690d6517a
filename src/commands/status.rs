//! `schemagate status`: where each target stands.

use anyhow::Result;

use crate::commands::apply::{Selection, local_provenance, open, somebody, write_json};
use crate::commands::rollout::{Order, roll_out};
use crate::commands::worker::{Last, last};
use crate::commands::{Console, Exit};
use crate::render::Format;
use crate::render::rollout::{Standing, TargetView, target};
use crate::text::{for_shell, word_for_shell};

/// Shows where each target stands: applied, pending, failed, unreachable.
///
/// Changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate status -C /srv/git/shop.git
  schemagate status -e prod --format json

Exit code: 0 every target is up to date, waits, or only has files pending, 1 one failed, conflicts or is unreachable, 2 failure.")]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
}

/// Runs the command.
///
/// # Errors
/// If the repository or the server file cannot be read.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    let selection = &args.selection;
    let opened = match open(selection, console)? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let mut views: Vec<TargetView> = Vec::new();
    let mut exit = Exit::Clean;
    for branch in &opened.branches {
        let order = Order {
            environment: selection.environment.as_deref(),
            database: selection.database.as_deref(),
            dry: true,
            as_new: false,
            provenance: local_provenance(),
            stop: &|| false,
        };
        match roll_out(&opened.repository, &opened.loaded, branch, &order, &mut |_| {})? {
            Ok(branch_views) => views.extend(branch_views.into_iter().map(as_it_stands)),
            Err(report) => exit = console.report(&report),
        }
    }
    somebody(selection, &opened.loaded, views.len())?;
    if console.format == Format::Json {
        write_json(&views, console);
    } else {
        let mut branch = "";
        for view in &views {
            if opened.branches.len() > 1 && branch != view.branch {
                branch = &view.branch;
                console.say(&format!("{}\n", crate::text::sanitize(branch)));
            }
            // Of tenants only those are shown that are not up to date; the sum counts all.
            if view.group.is_none() || view.standing != Standing::Current {
                console.say(&target(view));
            }
        }
        console.say(&summary(&views));
        if let Some(last) = last(&opened.repository.common_dir) {
            let whole = selection.environment.is_none() && selection.database.is_none();
            let done = whole && views.iter().all(|view| view.standing == Standing::Current);
            console.say(&rollout(&last, done));
        }
    }
    let bad = views.iter().any(|view| view.standing.is_bad());
    Ok(if bad { Exit::Findings } else { exit })
}

/// A target whose last attempt failed is shown as failed, not as pending.
fn as_it_stands(mut view: TargetView) -> TargetView {
    if view.standing != Standing::Pending {
        return view;
    }
    for step in &mut view.steps {
        match step.earlier {
            Some("failed") if step.decided => {
                let (path, from) = (&step.path, step.from_statement);
                view.notes
                    .push(format!("of `{path}` it was decided that `schemagate apply` goes on with statement {from}"));
            }
            Some("failed") => {
                step.outcome = "failed";
                view.standing = Standing::Failed;
                view.help = Some(if step.in_doubt {
                    format!(
                        "look at the database, and say what of it is there: schemagate resolve {} -e {} -d {}",
                        for_shell(&step.path),
                        word_for_shell(&view.environment),
                        word_for_shell(&view.database)
                    )
                } else {
                    step.mend.clone().unwrap_or_default()
                });
            }
            Some(_) => {
                let (path, begun) = (&step.path, step.begun.as_deref().unwrap_or_default());
                view.notes.push(format!(
                    "`{path}` is running now or was cut off ({begun}); `schemagate apply` waits for it or goes on"
                ));
            }
            None => {}
        }
    }
    view
}

/// How the last rollout after a push stands; `done` if all is up to date now.
fn rollout(last: &Last, done: bool) -> String {
    let how = match (last.running, last.exit) {
        (true, _) => "is running".to_owned(),
        (false, Some(0)) => "ended, no target in trouble".to_owned(),
        (false, Some(code)) if done => format!("ended with exit code {code}; what it left is done since"),
        (false, None) if done => "was cut off; what it left is done since".to_owned(),
        (false, Some(code)) => format!("ended with exit code {code}"),
        (false, None) => "was cut off; schemagate sync goes on".to_owned(),
    };
    let journal = last.journal.display().to_string();
    format!("schemagate: the last rollout after a push {how}: {}\n", crate::text::sanitize(&journal))
}

fn summary(views: &[TargetView]) -> String {
    let count = |wanted: &dyn Fn(Standing) -> bool| views.iter().filter(|view| wanted(view.standing)).count();
    format!(
        "schemagate: {}: {} up to date, {} pending, {}{} in trouble\n",
        crate::text::count(views.len(), "target"),
        count(&|standing| standing == Standing::Current),
        count(&|standing| standing == Standing::Pending),
        match count(&|standing| standing == Standing::Waiting) {
            0 => String::new(),
            waiting => format!("{waiting} waiting, "),
        },
        count(&Standing::is_bad),
    )
}
