//! Writing to whoever listens, without ever being held up by them.
//!
//! A client that has gone away leaves a pipe that nobody empties: after 64 KiB a plain write would block for ever, and
//! over some transports it ends the process. So each piece is written only when the pipe takes it at once or soon,
//! and is dropped otherwise. Refuses to know what is written.

use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Longest piece that goes out in one write: a pipe takes as much whole or not at all (POSIX PIPE_BUF on Linux).
const PIECE: usize = 4096;
/// How long a living listener may take to make room.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes to one of the standard streams and gives up for good once nobody takes anything.
#[derive(Debug, Default)]
pub struct Patient {
    gone: bool,
}

impl Patient {
    /// Writes to standard output; a hook's goes to the one who pushes.
    pub fn write(&mut self, text: &str) {
        self.write_to(std::io::stdout().as_fd(), text.as_bytes());
    }

    fn write_to(&mut self, stream: BorrowedFd<'_>, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            if self.gone || !has_room(stream) {
                self.gone = true;
                return;
            }
            self.gone = nix::unistd::write(stream, piece).is_err();
        }
    }
}

fn has_room(stream: BorrowedFd<'_>) -> bool {
    let timeout = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::ZERO);
    let mut asked = [PollFd::new(stream, PollFlags::POLLOUT)];
    match poll(&mut asked, timeout) {
        Ok(1..) => asked[0].revents().is_some_and(|events| events.contains(PollFlags::POLLOUT)),
        _ => false,
    }
}

/// Writes to standard output for a person or a pipe at their own pace; a closed pipe is no error.
pub fn plain(text: &str) {
    let mut stream = std::io::stdout().lock();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Writes to standard error; a closed pipe is no error.
pub fn complain(text: &str) {
    let mut stream = std::io::stderr().lock();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_gone_is_given_up() {
        let (read, write) = nix::unistd::pipe().unwrap();
        drop(read);
        let mut patient = Patient::default();
        patient.write_to(write.as_fd(), b"hello");
        assert!(patient.gone);
    }
}
