//! Targets whose URLs name one SQLite file in two spellings: their histories would mix.
//!
//! Equal URLs are found in the server file; here links and detours are followed. Refuses to know databases of servers.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::commands::server::Loaded;
use crate::config::server::{Audience, Target};
use crate::config::urls::UrlSource;
use crate::engine::Trouble;
use crate::engine::sqlite_file::parse_url;
use crate::host;

/// Makes sure that no other target has the file of a target; tenants may share theirs with another group.
///
/// # Errors
/// If one has.
pub(super) fn no_other_has_it(loaded: &Loaded, target: &Target) -> Result<(), Trouble> {
    let Some(own) = file(loaded, target).and_then(|path| identity(&path)) else { return Ok(()) };
    let others = loaded.server.targets.iter().filter(|other| other.label() != target.label());
    for other in others {
        if file(loaded, other).and_then(|path| identity(&path)) == Some(own) {
            return Err(Trouble::new(
                format!("{} has the same database file, so their histories would mix", other.label()),
                "give each target a database of its own",
            ));
        }
    }
    Ok(())
}

/// The file of a target; nothing for tenants and databases of servers.
fn file(loaded: &Loaded, target: &Target) -> Option<PathBuf> {
    // A program that prints a URL is not started for the sake of another target.
    if !matches!(target.audience, Audience::Database(_)) || matches!(target.url, UrlSource::Command(_)) {
        return None;
    }
    let url = host::url(&target.url, &loaded.folder).ok().filter(|url| url.starts_with("sqlite:"))?;
    Some(loaded.folder.join(parse_url(&url).ok()?.0))
}

/// Device and number of a file that is there.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.dev(), data.ino()))
}
