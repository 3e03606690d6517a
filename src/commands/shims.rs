//! The shims: files of a few lines in the hooks folder that only run the program.
//!
//! Never a symbolic link and never the program itself: a broken link, an empty or a non-executable file would let every
//! push through, while a shim whose program is gone refuses. Knows how to write, recognise and remove them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use serde_json::json;

use crate::commands::Console;
use crate::disk;
use crate::render::{Format, json::text as text_of};
use crate::text::for_shell;

/// What is appended to the name of a hook that was there before.
pub const KEPT: &str = ".schemagate-prev";

/// The hooks of a developer's repository.
pub const CLIENT: [&str; 3] = ["pre-commit", "pre-merge-commit", "pre-push"];
/// The hooks of a server's repository.
pub const SERVER: [&str; 2] = ["pre-receive", "post-receive"];

const DIRECT_TEXT: &str = include_str!("../../hooks/direct");
const SERVER_TEXT: &str = include_str!("../../hooks/server.sh");
const CLIENT_TEXT: &str = include_str!("../../hooks/client.sh");
const MARK: &str = "# schemagate hook ";

/// What happened to a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was as it should be.
    Unchanged,
    /// It was written.
    Written,
    /// It was written, and the one that was there before is kept and runs first.
    Chained,
    /// It was removed.
    Removed,
    /// It was removed, and the one that was there before is back.
    Restored,
    /// Somebody wrote over it; both that file and the kept one are left.
    Foreign,
}

impl Change {
    /// Returns a few words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Written => "installed",
            Self::Chained => "installed; the hook that was here runs first",
            Self::Removed => "removed",
            Self::Foreign => {
                "left: somebody wrote over it; the hook that was here before is beside it, ending in .schemagate-prev"
            }
            Self::Restored => "removed; the hook that was here before is back",
        }
    }
}

/// Writes what happened to hooks.
pub fn tell(changes: &[(PathBuf, Change)], console: &mut Console<'_>) {
    if console.format == Format::Json {
        let hooks: Vec<_> = changes
            .iter()
            .map(|(path, change)| json!({ "path": path.display().to_string(), "change": change.words() }))
            .collect();
        console.say(&text_of(&json!({ "hooks": hooks })));
        return;
    }
    for (path, change) in changes {
        console.say(&format!("{}: {}\n", path.display(), change.words()));
    }
}

/// Writes the text of a shim. `strict` makes a client's refuse when the program is gone.
pub fn text(hook: &str, program: &Path, strict: bool) -> Result<String> {
    let program = program.to_str().context("the program's path is not UTF-8")?;
    if program.contains(['\n', '\r']) {
        bail!("the program's path holds a line break");
    }
    let warns = CLIENT.contains(&hook) && !strict;
    if !warns && fits_first_line(program) {
        return Ok(DIRECT_TEXT.replace("@HOOK@", hook).replace("@PROGRAM@", program));
    }
    let quoted = for_shell(program);
    let template = if warns { CLIENT_TEXT } else { SERVER_TEXT };
    Ok(template.replace("@HOOK@", hook).replace("@PROGRAM@", &quoted))
}

/// Says whether a path can stand in the first line of a script: Linux splits it at white space and cuts it at 255
/// bytes, older kernels at 127 (execve(2)).
fn fits_first_line(program: &str) -> bool {
    program.len() <= 100 && program.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Says whether a file is one of our shims.
pub fn is_ours(path: &Path) -> bool {
    let regular = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    regular
        && std::fs::read_to_string(path)
            .is_ok_and(|text| text.lines().nth(1).is_some_and(|line| line.starts_with(MARK)))
}

fn kept(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(KEPT);
    PathBuf::from(name)
}

/// Installs a shim. A foreign hook is renamed and will run first; a kept one is never overwritten.
///
/// # Errors
/// If the folder cannot be written, or two foreign hooks would have to be kept.
pub fn install(folder: &Path, hook: &str, text: &str) -> Result<Change> {
    let path = folder.join(hook);
    let there = std::fs::symlink_metadata(&path).is_ok();
    if there && is_ours(&path) {
        if std::fs::read_to_string(&path)? == text && executable(&path) {
            return Ok(Change::Unchanged);
        }
        disk::write(&path, text.as_bytes(), 0o755)?;
        return Ok(Change::Written);
    }
    if !there {
        disk::write(&path, text.as_bytes(), 0o755)?;
        return Ok(Change::Written);
    }
    let kept = kept(&path);
    if std::fs::symlink_metadata(&kept).is_ok() {
        bail!("{} and {} are both foreign hooks; remove one of them first", path.display(), kept.display());
    }
    if !executable(&path) {
        bail!(
            "{} is not an executable file, so Git does not run it; remove it or make it executable first",
            path.display()
        );
    }
    std::fs::rename(&path, &kept).with_context(|| format!("{} cannot be kept", path.display()))?;
    if let Err(error) = disk::write(&path, text.as_bytes(), 0o755) {
        std::fs::rename(&kept, &path)?;
        return Err(error);
    }
    Ok(Change::Chained)
}

/// Removes a shim and puts back what it replaced. Files of others are left alone.
///
/// # Errors
/// If the folder cannot be written.
pub fn remove(folder: &Path, hook: &str) -> Result<Change> {
    let path = folder.join(hook);
    let kept = kept(&path);
    if !is_ours(&path) {
        let left = std::fs::symlink_metadata(&kept).is_ok();
        return Ok(if left { Change::Foreign } else { Change::Unchanged });
    }
    if std::fs::symlink_metadata(&kept).is_ok() {
        std::fs::rename(&kept, &path).with_context(|| format!("{} cannot be put back", path.display()))?;
        return Ok(Change::Restored);
    }
    std::fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
    Ok(Change::Removed)
}

/// Says whether Git would run a file: regular or a link to one, not empty, executable.
pub fn executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0 && metadata.permissions().mode() & 0o111 != 0)
}
