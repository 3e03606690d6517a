//! Waiting for what others hold, and for connections that come back.
//!
//! Refuses to know what is waited for.

use std::time::{Duration, Instant};

use crate::engine::Trouble;
use crate::engine::wire::REOPEN;

/// Waits a little longer each time, up to a bound, for something that others hold.
pub(super) struct Patience {
    begun: Instant,
    most: Duration,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(most: Duration) -> Self {
        Self { begun: Instant::now(), most, pause: Duration::from_millis(25) }
    }

    /// Sleeps, or says that the time is over. Pauses differ between processes, so that they do not meet again.
    pub(super) fn again(&mut self) -> Option<Duration> {
        use std::hash::{BuildHasher as _, Hasher as _};
        let left = self.most.checked_sub(self.begun.elapsed()).filter(|left| !left.is_zero())?;
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let jitter = self.pause.mul_f64((random % 1000) as f64 / 2000.0);
        let pause = (self.pause + jitter).min(left);
        std::thread::sleep(pause);
        self.pause = (self.pause * 2).min(Duration::from_secs(2));
        Some(pause)
    }
}

/// Tries for a while to have a lost connection again.
pub(super) fn again<T>(mut open: impl FnMut() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let mut patience = Patience::new(REOPEN);
    loop {
        match open() {
            Err(trouble) if patience.again().is_none() => return Err(trouble),
            Err(_) => {}
            opened => return opened,
        }
    }
}
