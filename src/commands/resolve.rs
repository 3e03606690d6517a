//! `schemagate resolve` and `schemagate repair`: what people decide about one migration in one target.
//!
//! Shows first what it would do. Refuses to touch more than one migration of one target at a time.

use std::borrow::Cow;

use anyhow::{Result, bail};

use crate::commands::apply::{Opened, Selection, open};
use crate::commands::changes::{Source, manifest};
use crate::commands::cut_off::let_go;
use crate::commands::ledger;
use crate::commands::rollout::{self, migrations};
use crate::commands::scripts::{bytes, declared_flavour};
use crate::commands::tenants;
use crate::commands::{Console, Exit};
use crate::config::server::Target;
use crate::engine::{Access, Decision, Session, Trouble};
use crate::git::refs::{Branch, tree_of};
use crate::history::{Content, Row, State};
use crate::migration::{Migration, ProjectName};
use crate::sql::checksum::checksums;
use crate::text::sanitize;

/// Decides about a migration that stopped: go on from a statement, call it applied, or take it out of the history.
///
/// Shows what it would do; with --yes it does it. The next `schemagate apply` goes on from there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate resolve 'shop/5##ddl##x.sql' -e prod -d shop               shows where it stands
  schemagate resolve 'shop/5##ddl##x.sql' -e prod -d shop --from 3 --yes
  schemagate resolve 'shop/5##ddl##x.sql' -e prod -d shop --applied --yes

Exit code: 0 done, 1 only shown, 2 failure.")]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// The migration: its path, or its version
    #[arg(allow_hyphen_values = true)]
    migration: String,
    /// Statements before this one (from 1) ran; go on with it
    #[arg(long, value_name = "STATEMENT", conflicts_with_all = ["applied", "not_applied", "forget"])]
    from: Option<usize>,
    /// All of it ran
    #[arg(long, conflicts_with_all = ["not_applied", "forget"])]
    applied: bool,
    /// Nothing of it stays in the database: it will run anew
    #[arg(long, conflicts_with = "forget")]
    not_applied: bool,
    /// It does not matter here any more: it never runs again, and its file may be removed
    #[arg(long)]
    forget: bool,
    /// Do it
    #[arg(long)]
    yes: bool,
}

/// Accepts the present content of an applied migration as what ran, one migration at a time.
///
/// For a file that was edited past every gate when the database is known to hold what the new content says. Nothing is
/// run. With --yes it is done, without only shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  schemagate repair 'shop/5##ddl##x.sql' -e prod -d shop --yes

Exit code: 0 done, 1 only shown, 2 failure.")]
pub struct RepairArgs {
    #[command(flatten)]
    selection: Selection,
    /// The migration: its path, or its version
    #[arg(allow_hyphen_values = true)]
    migration: String,
    /// Do it
    #[arg(long)]
    yes: bool,
}

/// Runs `resolve`.
///
/// # Errors
/// If the target cannot be worked with, or the decision does not fit what the history says.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    let opened = match open(&args.selection, console)? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let found = find(&opened, &args.selection, &args.migration, args.yes);
    if found.is_err()
        && args.not_applied
        && let Some(exit) = let_go(&opened, &args.selection, &args.migration, args.yes, console)?
    {
        return Ok(exit);
    }
    let mut found = found?;
    console.say(&shown(&found));
    let (decision, what) = match (args.from, args.applied, args.not_applied, args.forget) {
        (Some(from), ..) => {
            if from == 0 || from > found.row.statements_total + 1 {
                bail!("--from must be a statement from 1 to {}", found.row.statements_total + 1);
            }
            let behind =
                if from == 1 { "nothing of it ran".to_owned() } else { format!("statements 1 to {} ran", from - 1) };
            (Decision::From(from), format!("record that {behind}; `schemagate apply` goes on with statement {from}"))
        }
        (_, true, ..) => (Decision::Applied, "record that all of it ran; it is never run again".to_owned()),
        (_, _, true, _) => (
            Decision::NotApplied,
            "take its row out of the history; `schemagate apply` runs it from statement 1".to_owned(),
        ),
        (.., true) => (
            Decision::Forget,
            "record that it does not matter here: this content never runs again, and its file may be removed"
                .to_owned(),
        ),
        _ => {
            console.say("  choose: --from STATEMENT, --applied, --not-applied or --forget\n");
            return Ok(Exit::Findings);
        }
    };
    if found.row.state == State::Applied && !args.forget {
        bail!("it is applied; `schemagate repair` accepts changed content, and --forget lets its file go");
    }
    finish(&opened, &mut found, &decision, &what, args.yes, console)
}

/// Runs `repair`.
///
/// # Errors
/// If the target cannot be worked with, or the migration is not applied there.
pub fn repair(args: &RepairArgs, console: &mut Console<'_>) -> Result<Exit> {
    let opened = match open(&args.selection, console)? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let mut found = find(&opened, &args.selection, &args.migration, args.yes)?;
    console.say(&shown(&found));
    if found.row.state != State::Applied {
        bail!("it is not applied there; see `schemagate resolve`");
    }
    let content = match content(&opened, &found.target, &found.row)? {
        Some(content) => content,
        // There is no file to compare with: the row is sealed as it stands.
        None if found.row.changed_by_hand() => Content::of_row(&found.row),
        None => bail!("no watched branch holds this migration, so there is no content to accept"),
    };
    if content.blob_id == found.row.blob_id && !found.row.changed_by_hand() {
        console.say("  the content is what ran; nothing is to repair\n");
        return Ok(Exit::Clean);
    }
    let blob = content.blob_id.get(..10).unwrap_or(&content.blob_id);
    let what = format!("record that blob {} is what ran; nothing is run", sanitize(blob));
    finish(&opened, &mut found, &Decision::Accept(content), &what, args.yes, console)
}

/// A row with the target that has it.
struct Found<'o> {
    target: Cow<'o, Target>,
    session: Box<dyn Session>,
    row: Row,
}

/// A trouble as the commands about one migration say it.
pub(super) fn trouble(trouble: &Trouble) -> anyhow::Error {
    anyhow::anyhow!("{}\nhelp: {}", sanitize(&trouble.message), sanitize(&trouble.help))
}

/// Looks for the row in one target; locks it if something is to be done.
fn look<'o>(opened: &Opened, target: Cow<'o, Target>, named: &str, locked: bool) -> Result<Option<Found<'o>>> {
    let access = if locked { Access::Write } else { Access::Read };
    let (mut session, _) =
        rollout::open(&target, &opened.loaded, access, target.manner.lock_wait).map_err(|error| trouble(&error))?;
    if locked {
        session.lock(target.manner.lock_wait, &mut |_| {}).map_err(|error| trouble(&error))?;
    }
    let rows = session.history().map_err(|error| trouble(&error))?;
    let others = others(opened, &target)?;
    let meant = |row: &Row| (row.path == named || row.version == named) && !others.contains(&row.project);
    let mut rows: Vec<Row> = rows.into_iter().filter(meant).collect();
    if rows.len() > 1 {
        let paths: Vec<String> = rows.iter().map(|row| sanitize(&row.path).into_owned()).collect();
        bail!("{} has several of that version; give the path: {}", target.label(), paths.join(", "));
    }
    Ok(rows.pop().map(|row| Found { target, session, row }))
}

/// The projects whose rows may stand in the same database, and that are those of other targets.
fn others(opened: &Opened, target: &Target) -> Result<Vec<ProjectName>> {
    let mut others = Vec::new();
    for branch in opened.branches.iter().filter(|branch| serves(opened, branch, target)) {
        let source = Source::Tree(&opened.repository, tree_of(&opened.repository, &branch.tip)?);
        let Ok(manifest) = manifest(&source)? else { continue };
        let projects = manifest.settings.projects.into_iter();
        let theirs = projects.filter(|project| !target.audience.takes_project(project.group.as_deref()));
        others.extend(theirs.map(|project| project.name));
    }
    Ok(others)
}

fn serves(opened: &Opened, branch: &Branch, target: &Target) -> bool {
    let mut served = opened.loaded.server.served_by(&branch.name);
    served.any(|environment| environment.name == target.environment)
}

/// The targets that a selection names; with a branch, those that it serves.
///
/// # Errors
/// If it cannot be found out who the tenants are.
pub(super) fn meant<'o>(opened: &'o Opened, selection: &Selection) -> Result<Vec<Cow<'o, Target>>> {
    let (environment, database) = (selection.environment.as_deref(), selection.database.as_deref());
    let mut targets = tenants::named(&opened.loaded, environment, database).map_err(|error| trouble(&error))?;
    let served = |target: &Target| opened.branches.iter().any(|branch| serves(opened, branch, target));
    targets.retain(|target| selection.branch.is_none() || served(target));
    Ok(targets)
}

/// Finds the one target and row that are meant; locks the target if something is to be done.
fn find<'o>(opened: &'o Opened, selection: &Selection, named: &str, locked: bool) -> Result<Found<'o>> {
    let server = &opened.loaded.server;
    let mut found: Vec<Found<'o>> = Vec::new();
    for target in meant(opened, selection)? {
        found.extend(look(opened, target, named, false)?);
    }
    match (found.pop(), found.len()) {
        (Some(Found { target, .. }), 0) if locked => match look(opened, target, named, true)? {
            Some(one) => Ok(one),
            None => bail!("`{}` went out of the history meanwhile", sanitize(named)),
        },
        (Some(one), 0) => Ok(one),
        (None, _) if selection.database.is_none() && !server.tenants.is_empty() => {
            bail!("no target has started `{}`; if a tenant has, name it with -d", sanitize(named))
        }
        (None, _) => bail!("no target that is meant has started `{}`; see `schemagate history`", sanitize(named)),
        (Some(one), _) => {
            let labels: Vec<String> =
                found.iter().map(|found| found.target.label()).chain([one.target.label()]).collect();
            bail!("several targets have it: {}; choose one with -e and -d", labels.join(", "))
        }
    }
}

fn shown(found: &Found<'_>) -> String {
    let row = &found.row;
    let mut text = format!(
        "{}: version {} {} ({}) is {}, {} of {} statements recorded as run, attempt {}\n",
        found.target.label(),
        sanitize(&row.version),
        row.kind,
        sanitize(&row.path),
        row.state.word(),
        row.statements_done,
        row.statements_total,
        row.attempt
    );
    if row.changed_by_hand() {
        text.push_str("  this row was changed by hand\n");
    }
    if row.statement_open > 0 {
        text.push_str(&format!("  statement {} was begun, and its end is not recorded\n", row.statement_open));
    }
    if let Some(error) = &row.error {
        text.push_str(&format!("  line {} column {}: {}\n", error.line, error.column, sanitize(&error.message)));
    }
    text
}

/// The present content of a migration, on a branch that serves the target.
fn content(opened: &Opened, target: &Target, row: &Row) -> Result<Option<Content>> {
    for branch in opened.branches.iter().filter(|branch| serves(opened, branch, target)) {
        let source = Source::Tree(&opened.repository, tree_of(&opened.repository, &branch.tip)?);
        let Ok(manifest) = manifest(&source)? else { continue };
        let same = |migration: &&Migration| {
            migration.place() == row.place() && target.takes(migration, manifest.group_of(migration))
        };
        let all = migrations(&source, &manifest)?;
        // Where several have that place, the one at the path of the row is meant.
        let here = |migration: &&Migration| migration.path.display() == row.path;
        let found = all.iter().filter(same).find(here).or_else(|| all.iter().find(same));
        let Some(migration) = found else { continue };
        let Some(flavour) = declared_flavour(&manifest, migration) else { continue };
        let bytes = bytes(&source, migration, u64::MAX)?;
        let checksums = checksums(&migration.path, &bytes, flavour);
        return Ok(Some(Content::of(migration, branch.tip.as_str(), checksums)));
    }
    Ok(None)
}

fn finish(
    opened: &Opened,
    found: &mut Found<'_>,
    decision: &Decision,
    what: &str,
    yes: bool,
    console: &mut Console<'_>,
) -> Result<Exit> {
    if !yes {
        console.say(&format!("  would {what}\n  nothing was changed; run it again with --yes\n"));
        return Ok(Exit::Findings);
    }
    found.session.settle(&found.row, decision).map_err(|error| trouble(&error))?;
    if *decision == Decision::Applied
        && let Some(content) = content(opened, &found.target, &found.row)?
        && content.blob_id != found.row.blob_id
    {
        // What people call applied is what the file says now.
        let row = Row { state: State::Applied, ..found.row.clone() };
        found.session.settle(&row, &Decision::Accept(content)).map_err(|error| trouble(&error))?;
    }
    let rows = found.session.history().map_err(|error| trouble(&error))?;
    let name = found.session.identity().name;
    ledger::keep(&opened.repository.common_dir, &found.target, &name, &rows, &mut std::iter::empty(), true)?;
    console.say(&format!("  done: {what}\n"));
    Ok(Exit::Clean)
}
