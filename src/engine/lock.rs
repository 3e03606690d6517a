//! A lock between processes of one machine: an exclusive lock on a file that ends with its holder.
//!
//! The operating system releases it when the holder dies, however it dies, so a lock that is free means that nobody
//! is at work. Refuses to be used across machines.

use std::fs::{File, Metadata};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::engine::Trouble;

/// What stands behind the name of a database file in that of its lock.
pub const BEHIND_NAME: &str = ".schemagate-lock";

/// A lock that is held until it is dropped.
pub struct FileLock {
    file: Flock<File>,
    path: PathBuf,
}

impl FileLock {
    /// Says whether the file that is locked is still the one of that name: who removes it lets others lock a new one.
    pub fn stands(&self) -> bool {
        let same = |ours: Metadata, there: Metadata| (ours.dev(), ours.ino()) == (there.dev(), there.ino());
        self.file.metadata().and_then(|ours| Ok(same(ours, std::fs::metadata(&self.path)?))).unwrap_or(false)
    }
}

/// Takes the lock, or says who holds it.
///
/// # Errors
/// If the file cannot be made, or cannot be locked.
pub fn try_take(path: &Path) -> Result<Result<FileLock, String>, Trouble> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(|error| {
        Trouble::new(
            format!("the lock file {} cannot be opened: {error}", path.display()),
            "the folder of the database must be writable for this user",
        )
    })?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut file) => {
            let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", holder()));
            let lock = FileLock { file, path: path.to_owned() };
            // Somebody may have removed the file between the two steps.
            Ok(if lock.stands() { Ok(lock) } else { Err("a process that removed the lock file".to_owned()) })
        }
        Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
            let mut name = String::new();
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut name));
            let name = crate::text::sanitize(name.trim()).into_owned();
            Ok(Err(if name.is_empty() { "another process".to_owned() } else { name }))
        }
        Err((_, error)) => {
            Err(Trouble::new(format!("{} cannot be locked: {error}", path.display()), "use a local file system"))
        }
    }
}

fn holder() -> String {
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    format!("process {} on {host}", std::process::id())
}
