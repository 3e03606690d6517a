//! SQLite URLs, errors in words, and a database file that is not there yet.
//!
//! Refuses to open anything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::flavour::Release;
use crate::engine::identity::Identity;
use crate::engine::run::Tell;
use crate::engine::wire::{Class, Fault};
use crate::engine::{Decision, Outcome, Provenance, Script, Session, Trouble};
use crate::history::Row;

/// Takes `sqlite:PATH`, `sqlite:///PATH` and the option `mode=rw` or `mode=rwc` apart.
pub(crate) fn parse_url(url: &str) -> Result<(PathBuf, bool), Trouble> {
    let wrong = |message: &str| Trouble::new(message, "write sqlite:///srv/db/shop.sqlite");
    let rest = url.strip_prefix("sqlite:").ok_or_else(|| wrong("this is not a SQLite URL"))?;
    if rest.starts_with("//") && !rest.starts_with("///") {
        return Err(wrong("a SQLite URL has no host and no user"));
    }
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
    let create = match options {
        "" | "mode=rwc" => true,
        "mode=rw" => false,
        _ => return Err(wrong("a SQLite URL has no options but mode=rw and mode=rwc")),
    };
    if path.is_empty() || path == ":memory:" {
        return Err(wrong("a SQLite URL must name a file"));
    }
    Ok((PathBuf::from(path), create))
}

/// The file systems of a network, by the numbers that Linux gives them (`statfs(2)`).
const OF_A_NETWORK: [(i64, &str); 7] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "SMB"),
    (0xFE53_4D42, "SMB"),
    (0x5346_414F, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00C3_6400, "Ceph"),
];

/// The name of a file system of a network, by its number.
fn of_a_network(number: i64) -> Option<&'static str> {
    // The number is one of 32 bits, with a sign on some machines.
    let same = |known: i64| known == number & 0xFFFF_FFFF;
    OF_A_NETWORK.into_iter().find(|(known, _)| same(*known)).map(|(_, name)| name)
}

/// Refuses a folder on a file system of a network, where that can be told.
///
/// # Errors
/// Locks of files do not hold there for sure, and a database can be damaged (documentation of SQLite, "How To Corrupt An
/// SQLite Database File").
pub(super) fn on_this_machine(folder: &Path) -> Result<(), Trouble> {
    #[cfg(target_os = "linux")]
    if let Ok(found) = nix::sys::statfs::statfs(folder)
        && let Some(name) = of_a_network(found.filesystem_type().0)
    {
        return Err(Trouble::new(
            format!(
                "{} is on a file system of a network ({name}), where locks of files do not hold for sure",
                folder.display()
            ),
            "let the URL of this target name a file on a disk of this machine",
        ));
    }
    let _ = folder;
    Ok(())
}

/// Turns a fault into words.
pub(super) fn explain(path: &Path, fault: &Fault) -> Trouble {
    let help = match fault.code.as_str() {
        "26" | "11" => "the file is not a database or is damaged; restore it from a backup, or map another file",
        "14" => "check the path and the rights of this user on the file and its folder",
        "8" | "1544" | "520" | "264" => "the file, its folder or its file system is read-only for this user",
        "5" | "261" | "517" | "6" => "another program holds the database; wait for it or end it",
        "13" => "the disk is full; free some space and run `schemagate sync`",
        _ => "the message is the database's own",
    };
    Trouble::new(format!("{}: {}", path.display(), fault.message), help)
}

/// Takes an error of the library apart.
pub(super) fn fault(error: &rusqlite::Error) -> Fault {
    let (message, code, byte) = match error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            let message = message.clone().unwrap_or_else(|| failure.to_string());
            (message, failure.extended_code.to_string(), None)
        }
        rusqlite::Error::SqlInputError { error, msg, offset, .. } => {
            (msg.clone(), error.extended_code.to_string(), usize::try_from(*offset).ok())
        }
        other => (other.to_string(), String::new(), None),
    };
    let busy = matches!(code.as_str(), "5" | "6" | "261" | "262" | "517");
    Fault { message, code, byte, class: if busy { Class::Busy } else { Class::Refused } }
}

/// A database file that does not exist yet.
pub(super) struct Absent;

impl Session for Absent {
    fn history(&mut self) -> Result<Vec<Row>, Trouble> {
        Ok(Vec::new())
    }

    fn lock(&mut self, _wait: Duration, _waiting: &mut dyn FnMut(&str)) -> Result<(), Trouble> {
        Err(Trouble::new("the database file does not exist", "it is created by `schemagate apply`"))
    }

    fn prepare(&mut self) -> Result<(), Trouble> {
        Err(Trouble::new("the database file does not exist", "it is created by `schemagate apply`"))
    }

    fn identity(&self) -> Identity {
        Identity::default()
    }

    fn release(&self) -> Option<Release> {
        None
    }

    fn is_empty(&mut self) -> Result<bool, Trouble> {
        Ok(true)
    }

    fn names(&mut self, _sql: &str) -> Result<Vec<String>, Trouble> {
        Err(Trouble::new("the database file does not exist", "mend its path in the server file"))
    }

    fn settle(&mut self, _row: &Row, _decision: &Decision) -> Result<(), Trouble> {
        Err(Trouble::new("the database file does not exist", "it is created by `schemagate apply`"))
    }

    fn run(&mut self, _scripts: &[Script], _who: &Provenance, _tell: Tell<'_>) -> Result<Outcome, Trouble> {
        Err(Trouble::new("the database file does not exist", "it is created by `schemagate apply`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_a_network_are_known_by_their_numbers() {
        assert_eq!(of_a_network(0x6969), Some("NFS"));
        // The same 32 bits with a sign.
        assert_eq!(of_a_network(i64::from(0xFF53_4D42_u32 as i32)), Some("SMB"));
        assert_eq!((of_a_network(0xEF53), of_a_network(0x0102_1994)), (None, None));
        assert_eq!(on_this_machine(Path::new("/")), Ok(()));
    }
}
