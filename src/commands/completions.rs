//! `schemagate completions`: completion scripts for shells.

use anyhow::Result;
use clap_complete::Shell;

use crate::commands::{Console, Exit};

/// Writes a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate completions bash > /etc/bash_completion.d/schemagate
  schemagate completions zsh > ~/.zfunc/_schemagate")]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Runs the command. `program` is the whole command line's description.
///
/// # Errors
/// Never; the signature is that of all commands.
pub fn run(args: &Args, program: &mut clap::Command, console: &mut Console<'_>) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, program, "schemagate", &mut script);
    console.say(&String::from_utf8_lossy(&script));
    Ok(Exit::Clean)
}
