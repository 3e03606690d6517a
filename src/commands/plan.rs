//! `schemagate plan`: what `apply` would do.

use anyhow::Result;

use crate::commands::apply::{Selection, Wish, selected};
use crate::commands::{Console, Exit};

/// Shows what `apply` would do, and changes nothing.
///
/// Databases are opened for reading only; no history table and no file is created.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate plan                        all targets of this repository
  schemagate plan -e prod -d shop        one target
  schemagate plan --format json          for a program

Exit code: 0 a plan could be made for every target, 1 one has a conflict or cannot be reached, 2 failure.")]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
}

/// Runs the command.
///
/// # Errors
/// If the repository or the server file cannot be read.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    selected(&args.selection, Wish { dry: true, as_new: false }, &|| false, console)
}
