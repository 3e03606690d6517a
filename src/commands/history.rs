//! `schemagate history`: what has run in each target.

use anyhow::Result;
use serde_json::json;

use crate::commands::apply::{Selection, open};
use crate::commands::rollout::READ_WAIT;
use crate::commands::{Console, Exit};
use crate::engine::{Access, engine_of};
use crate::history::Row;
use crate::host;
use crate::render::{Format, json::text, rollout};

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
    for target in &opened.loaded.server.targets {
        let environment = target.environment.as_str();
        let database = target.audience.database().as_str();
        let skip = |wanted: &Option<String>, name: &str| wanted.as_deref().is_some_and(|wanted| wanted != name);
        if skip(&selection.environment, environment) || skip(&selection.database, database) {
            continue;
        }
        let read = || -> Result<Vec<Row>, String> {
            let url = host::url(&target.url, &opened.loaded.folder).map_err(|error| format!("{error:#}"))?;
            let engine = engine_of(&url).map_err(|trouble| trouble.message)?;
            let session = (engine.connect)(&url, &opened.loaded.folder, Access::Read(READ_WAIT));
            session.and_then(|mut session| session.history()).map_err(|trouble| trouble.message)
        };
        match read() {
            Ok(rows) if console.format == Format::Json => {
                values.push(json!({ "environment": environment, "database": database, "rows": rows }));
            }
            Ok(rows) => console.say(&rollout::history(&target.label(), &rows)),
            Err(trouble) => {
                exit = Exit::Findings;
                let shown = crate::text::sanitize(&trouble).into_owned();
                if console.format == Format::Json {
                    values.push(json!({ "environment": environment, "database": database, "trouble": shown }));
                } else {
                    console.say(&format!("{}\n  error: {shown}\n", target.label()));
                }
            }
        }
    }
    if console.format == Format::Json {
        console
            .say(&text(&json!({ "program": "schemagate", "version": env!("CARGO_PKG_VERSION"), "targets": values })));
    }
    Ok(exit)
}
