//! A lock between processes of one machine: an exclusive lock on a file that ends with its holder.
//!
//! The operating system releases it when the holder dies, however it dies, so a lock that is free means that nobody
//! is at work. Refuses to be used across machines.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use crate::engine::Trouble;

/// A lock that is held until it is dropped.
pub struct FileLock {
    _file: Flock<File>,
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
            Ok(Ok(FileLock { _file: file }))
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
