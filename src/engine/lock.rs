//! A lock between processes of one machine: an exclusive lock on a file that ends with its holder.
//!
//! The operating system releases it when the holder dies, however it dies, so a lock that is free means that nobody
//! is at work. Refuses to be used across machines.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

use crate::engine::Trouble;

/// A lock that is held until it is dropped.
pub struct FileLock {
    _file: Flock<File>,
}

/// Takes the lock, asking again with growing pauses until `wait` has passed.
///
/// # Errors
/// If the file cannot be made, or another process holds the lock for all that time: the message names it.
pub fn take(path: &Path, wait: Duration, waiting: &mut dyn FnMut(&str)) -> Result<FileLock, Trouble> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(10);
    let mut told = false;
    loop {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(|error| {
            Trouble::new(
                format!("the lock file {} cannot be opened: {error}", path.display()),
                "the folder of the database must be writable for this user",
            )
        })?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", holder()));
                return Ok(FileLock { _file: file });
            }
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut name = String::new();
                let _ = file.rewind().and_then(|()| file.read_to_string(&mut name));
                let name = if name.trim().is_empty() {
                    "another process".to_owned()
                } else {
                    crate::text::sanitize(name.trim()).into_owned()
                };
                if started.elapsed() >= wait {
                    let message =
                        format!("{name} is at work on this database and did not finish within {} s", wait.as_secs());
                    return Err(Trouble::new(message, "wait for it and run `schemagate sync`, or raise `lock-wait`"));
                }
                if !std::mem::replace(&mut told, true) {
                    waiting(&name);
                }
            }
            Err((_, error)) => {
                return Err(Trouble::new(
                    format!("{} cannot be locked: {error}", path.display()),
                    "use a local file system",
                ));
            }
        }
        std::thread::sleep(pause.min(wait.saturating_sub(started.elapsed()).max(Duration::from_millis(1))));
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

fn holder() -> String {
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    format!("process {} on {host}", std::process::id())
}
