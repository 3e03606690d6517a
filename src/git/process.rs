//! Running `git` as a child process.
//!
//! Knows how to keep the environment from changing the answer. Refuses shells: arguments are passed as they are.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// Prepares `git` for a repository: replace references off (they would show other content than was pushed), no
/// lazy fetching, no prompts, messages in English.
pub fn git(git_dir: Option<&Path>) -> Command {
    let mut command = Command::new("git");
    if let Some(git_dir) = git_dir {
        command.arg("--git-dir").arg(git_dir);
    }
    command
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

/// Runs `git` and returns its output, whatever its exit code.
///
/// # Errors
/// If `git` cannot be started.
pub fn output<S: AsRef<OsStr>>(git_dir: Option<&Path>, arguments: &[S]) -> Result<Output> {
    git(git_dir).args(arguments).output().context("git could not be started; is it installed and on the PATH?")
}

/// Runs `git` and returns what it printed, without the last line feed; `None` if it answered with exit code 1 or
/// 128 and the caller expects that ("no such thing").
///
/// # Errors
/// If `git` cannot be started, dies, or prints something that is not UTF-8.
pub fn ask<S: AsRef<OsStr>>(git_dir: Option<&Path>, arguments: &[S]) -> Result<Option<String>> {
    let output = output(git_dir, arguments)?;
    match output.status.code() {
        Some(0) => {
            let text = String::from_utf8(output.stdout).context("git printed text that is not UTF-8")?;
            Ok(Some(text.trim_end_matches('\n').to_owned()))
        }
        Some(1 | 128) => Ok(None),
        _ => bail!("git died: {}", String::from_utf8_lossy(&output.stderr).trim()),
    }
}

/// Runs `git` where anything but success is a failure.
///
/// # Errors
/// With what `git` printed.
pub fn must<S: AsRef<OsStr>>(git_dir: Option<&Path>, arguments: &[S]) -> Result<String> {
    let output = output(git_dir, arguments)?;
    if !output.status.success() {
        let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        bail!("`git {}` failed: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
}
