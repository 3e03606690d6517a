//! `schemagate init`: write a commented manifest or server file to start from.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::json;

use crate::commands::{Console, Exit};
use crate::config::{MANIFEST, SERVER_FILE};
use crate::disk;
use crate::git::repository::Repository;
use crate::render::{Format, json};
use crate::text::for_shell;

/// Writes a commented manifest, or with --server a commented server file with SQLite targets.
///
/// Both are ready to run as they are and say in comments what each key may hold.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  schemagate init                              schemagate.toml in this folder
  schemagate init --server /srv/git/shop.git   schemagate-server.toml in the Git directory, and databases/ beside it

Exit code: 0 written, 2 a file is there already or cannot be written.")]
pub struct Args {
    /// Write a server file into the Git directory of the repository
    #[arg(long)]
    server: bool,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// The folder or repository
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

/// The manifest that is written.
pub const MANIFEST_TEXT: &str = include_str!("init_manifest.toml");
/// The server file that is written.
pub const SERVER_TEXT: &str = include_str!("init_server.toml");

/// Runs the command.
///
/// # Errors
/// If a file is there already or cannot be written.
pub fn run(args: &Args, console: &mut Console<'_>) -> Result<Exit> {
    if args.server {
        let repository = Repository::discover(&args.folder)?;
        let databases = repository.common_dir.join("schemagate").join("databases");
        std::fs::create_dir_all(&databases)?;
        put(&repository.common_dir.join(SERVER_FILE), SERVER_TEXT, 0o600, args.force, console)?;
        next(&format!("schemagate install --server {}", for_shell(&args.folder.display().to_string())), console);
    } else {
        put(&args.folder.join(MANIFEST), MANIFEST_TEXT, 0o644, args.force, console)?;
        next("schemagate new --environment dev --database shop --type ddl 'first table'", console);
    }
    Ok(Exit::Clean)
}

fn put(path: &Path, text: &str, mode: u32, force: bool, console: &mut Console<'_>) -> Result<()> {
    if path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        bail!("the folder of {} does not exist", path.display());
    }
    if path.exists() && !force {
        bail!("{} is there already; --force replaces it", path.display());
    }
    disk::write(path, text.as_bytes(), mode)?;
    match console.format {
        Format::Human => console.say(&format!("written: {}\n", path.display())),
        Format::Json => console.say(&json::text(&json!({ "written": path.display().to_string() }))),
    }
    Ok(())
}

fn next(command: &str, console: &mut Console<'_>) {
    if console.format == Format::Human {
        console.say(&format!("next: {command}\n"));
    }
}
