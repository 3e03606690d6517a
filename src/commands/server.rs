//! Finding and reading the server file.
//!
//! Knows where it lies and what rights it needs. Refuses a file that others could have changed.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::config::SERVER_FILE;
use crate::config::server::{Audience, Server, Target, read};
use crate::finding::Report;
use crate::git::repository::Repository;
use crate::rules::naming::KnownNames;
use crate::{disk, text};

/// A server file that was read.
pub struct Loaded {
    /// Its settings.
    pub server: Server,
    /// The folder that relative paths in it count from.
    pub folder: PathBuf,
}

/// Why there are no settings.
pub enum Unusable {
    /// The file has mistakes.
    Invalid(Report),
    /// The file is not there; where it was looked for.
    Absent(PathBuf),
}

/// Finds the server file of a repository: the one given, else the one that `git config schemagate.serverFile` names,
/// else `schemagate-server.toml` in the Git directory, beside the `hooks` folder.
///
/// # Errors
/// If it cannot be read, or others than its owner could have changed it, or read a password in it.
pub fn load(repository: &Repository, given: Option<&Path>) -> Result<Result<Loaded, Unusable>> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => match repository.config("schemagate.serverfile")? {
            Some(path) => repository.common_dir.join(path),
            None => repository.common_dir.join(SERVER_FILE),
        },
    };
    let Some(content) = disk::config(&path)? else { return Ok(Err(Unusable::Absent(path))) };
    let name = text::sanitize(&path.display().to_string()).into_owned();
    let server = match read(&name, &content) {
        Ok(server) => server,
        Err(findings) => {
            let mut report = Report::default();
            report.keep_source(name, masked(&content));
            report.extend(findings);
            report.sort();
            return Ok(Err(Unusable::Invalid(report)));
        }
    };
    if let Some(complaint) = disk::rights_complaint(&path, server.holds_secret)? {
        bail!("{complaint}");
    }
    let path = std::fs::canonicalize(&path)?;
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    Ok(Ok(Loaded { server, folder }))
}

/// The text with everything that may be a URL masked, byte for byte, so that places stay right.
fn masked(content: &str) -> String {
    let mask = |text: &str| "*".repeat(text.len());
    let mut shown = String::with_capacity(content.len());
    for line in content.split_inclusive('\n') {
        let key = line.trim_start();
        let start = if key.starts_with("url") || key.starts_with("\"url") {
            line.find('=').map(|equals| equals + 1)
        } else {
            line.find("://").map(|at| line[..at].rfind(['"', '\'', ' ', '=']).map_or(0, |quote| quote + 1))
        };
        let end = line.trim_end().len();
        match start.filter(|start| *start < end) {
            Some(start) => shown.extend([&line[..start], &mask(&line[start..end]), &line[end..]]),
            None => shown.push_str(line),
        }
    }
    shown
}

/// As [`load`], for commands that cannot do without: mistakes are written to the console.
///
/// # Errors
/// If there is no server file, or it cannot be read.
pub fn require(
    repository: &Repository,
    given: Option<&Path>,
    console: &mut super::Console<'_>,
) -> Result<Result<Loaded, super::Exit>> {
    match load(repository, given)? {
        Ok(loaded) => Ok(Ok(loaded)),
        Err(Unusable::Invalid(report)) => Ok(Err(console.report(&report))),
        Err(Unusable::Absent(path)) => bail!(
            "there is no server file at {}; `schemagate init --server` writes one, `--server-file` names another",
            path.display()
        ),
    }
}

/// The names that a server file maps.
pub fn known_names(server: &Server) -> KnownNames {
    let environments = server
        .environments
        .iter()
        .map(|environment| {
            let databases = server.databases(Some(&environment.name)).into_iter().cloned().collect();
            (environment.name.clone(), databases)
        })
        .collect();
    let group = |target: &Target| match &target.audience {
        Audience::Group(name, _) => Some(name.clone()),
        Audience::Database(_) => None,
    };
    let tenants = server.tenants.iter().map(|tenants| tenants.group.clone());
    let any = !server.targets.is_empty() || !server.tenants.is_empty();
    let groups = any.then(|| server.targets.iter().filter_map(group).chain(tenants).collect());
    KnownNames { environments, groups, source: "the server file" }
}
