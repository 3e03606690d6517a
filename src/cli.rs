//! The command line: every command and the options that all of them share.

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::render::ReportFormat;

/// Database change management inside Git itself.
///
/// A repository holds SQL migrations; Git hooks judge every commit and push, and run what was accepted against the
/// databases that the server maps. Start with `schemagate init`, then `schemagate install`.
#[derive(Debug, Parser)]
#[command(name = "schemagate", version, max_term_width = 100)]
pub struct Cli {
    /// How output is written; all but human and json are for `check`
    #[arg(long, global = true, value_enum)]
    pub format: Option<ReportFormat>,
    /// When colour is used; NO_COLOR in the environment means never
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub color: ColorChoice,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// When colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented manifest or server file
    Init(commands::init::Args),
    /// Install the hooks into a repository
    Install(commands::install::Args),
    /// Remove the hooks and put back what was there
    Uninstall(commands::uninstall::Args),
    /// Write a new, empty migration with the next version
    New(commands::new::Args),
    /// Check migrations: paths, order, immutability, bytes, SQL
    Check(commands::check::Args),
    /// List the rules
    Rules(commands::rules::Args),
    /// Explain how a path is read, or what a rule is about
    Explain(commands::explain::Args),
    /// Give late migrations the next version
    Renumber(commands::renumber::Args),
    /// Show what `apply` would do, and change nothing
    Plan(commands::plan::Args),
    /// Run what is pending
    Apply(commands::apply::Args),
    /// Finish what any earlier push left; for a timer
    Sync(commands::sync::Args),
    /// Show where each target stands
    Status(commands::status::Args),
    /// List what has run in each target
    History(commands::history::Args),
    /// Decide about a migration that stopped
    Resolve(commands::resolve::Args),
    /// Accept the content of an applied migration as what ran
    Repair(commands::resolve::RepairArgs),
    /// Run a Git hook; installed shims call this
    Hook(commands::hook::Args),
    /// Roll out after a push; the post-receive hook starts this
    #[command(hide = true)]
    Worker(commands::worker::Args),
    /// Write a completion script for a shell
    Completions(commands::completions::Args),
}
