//! `schemagate history`: what has run in each target.

use anyhow::Result;
use serde_json::json;

use crate::commands::apply::{Selection, open, somebody, write_json};
use crate::commands::rollout::{self, READ_WAIT};
use crate::commands::tenants;
use crate::commands::{Console, Exit};
use crate::engine::Access;
use crate::render::{Format, rollout as render};

/// Lists what has run in each target: when, which file of which commit, how long, who pushed it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate history -C /srv/git/shop.git -e prod -d shop
  schemagate history --format json

Exit code: 0, or 1 if a target cannot be reached, 2 failure.")]
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
    let mut exit = Exit::Clean;
    let mut values = Vec::new();
    let named = tenants::named(&opened.loaded, selection.environment.as_deref(), selection.database.as_deref());
    let targets = named.map_err(|trouble| anyhow::anyhow!(crate::text::sanitize(&trouble.message).into_owned()))?;
    somebody(selection, &opened.loaded, targets.len())?;
    for target in &targets {
        let (environment, database) = (target.environment.as_str(), target.audience.database().as_str());
        let session = rollout::open(target, &opened.loaded, Access::Read, READ_WAIT);
        let rows = session.and_then(|(mut session, _)| session.history());
        match rows {
            Ok(rows) if console.format == Format::Json => {
                values.push(json!({ "environment": environment, "database": database, "rows": rows }));
            }
            Ok(rows) => console.say(&render::history(&target.label(), &rows)),
            Err(trouble) => {
                exit = Exit::Findings;
                let shown = crate::text::sanitize(&trouble.message).into_owned();
                if console.format == Format::Json {
                    values.push(json!({ "environment": environment, "database": database, "trouble": shown }));
                } else {
                    console.say(&format!("{}\n  error: {shown}\n", target.label()));
                }
            }
        }
    }
    if console.format == Format::Json {
        write_json(&values, console);
    } else if selection.database.is_none() && !opened.loaded.server.tenants.is_empty() {
        console.say("tenants have histories of their own: schemagate history -d NAME shows one\n");
    }
    Ok(exit)
}
