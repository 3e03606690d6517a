//! Targets whose URLs lead to one database in two spellings: their histories would mix.
//!
//! Equal URLs are found in the server file; here links and detours are followed. A database of a server is known by the name
//! that it gave itself. Refuses to know tenants.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::commands::ledger;
use crate::commands::rollout::{READ_WAIT, open};
use crate::commands::server::Loaded;
use crate::config::server::{Audience, Target};
use crate::config::urls::UrlSource;
use crate::engine::sqlite_file::parse_url;
use crate::engine::{Access, Session, Trouble};
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
            return Err(shared(other));
        }
    }
    Ok(())
}

/// Makes sure that no other target has the database of a session, which holds its lock. Those that have a database with the
/// same name, as their ledgers say, are asked whether it is locked by this very session: copies have names like theirs.
///
/// # Errors
/// If one has.
pub(super) fn no_other_has_its_history(
    loaded: &Loaded,
    target: &Target,
    session: &dyn Session,
    common_dir: &Path,
) -> Result<(), Trouble> {
    let (name, process) = (session.identity().name, session.process());
    let others = loaded.server.targets.iter().filter(|other| process > 0 && other.label() != target.label());
    let named = |other: &&Target| ledger::is_of(common_dir, other, &name);
    let same = |other: &&Target| {
        open(other, loaded, Access::Read, READ_WAIT).is_ok_and(|(mut there, _)| there.is_locked_by(process))
    };
    others.filter(named).find(same).map_or(Ok(()), |other| Err(shared(other)))
}

fn shared(other: &Target) -> Trouble {
    Trouble::new(
        format!("{} has the same database, so their histories would mix", other.label()),
        "give each target a database of its own",
    )
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
