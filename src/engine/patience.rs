//! Waiting for what others hold, and for connections that come back.
//!
//! Refuses to know what is waited for.

use std::time::{Duration, Instant};

use crate::engine::run::{Runner, Stop, Tell};
use crate::engine::wire::{Class, REOPEN, Wire};
use crate::engine::{Script, Trouble};
use crate::history::{Mode, Said};

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

/// Whether a part of a script tells its session something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    No,
    /// If a routine or a trigger does.
    ByRoutines,
    Yes,
}

impl<W: Wire> Runner<W> {
    /// Does a part of a script, and does it again while somebody else is in the way: what is open is taken back before. Our
    /// own bookkeeping counts as the statement `at` (from 0).
    pub(super) fn patiently<T>(
        &mut self,
        script: &Script,
        at: usize,
        told: Told,
        tell: Tell<'_>,
        work: impl FnMut(&mut Self, Tell<'_>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        self.patiently_each(std::slice::from_ref(script), at, told, tell, work)
    }

    /// The same for scripts that run together; our own bookkeeping is behind the last one.
    pub(super) fn patiently_each<T>(
        &mut self,
        scripts: &[Script],
        at: usize,
        told: Told,
        tell: Tell<'_>,
        mut work: impl FnMut(&mut Self, Tell<'_>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let Some(last) = scripts.len().checked_sub(1) else { return work(self, tell) };
        let mut patience = Patience::new(scripts[0].terms.patience);
        loop {
            let stop = match work(self, tell) {
                Err(stop) => stop,
                done => return done,
            };
            let (index, number, fault) = match &stop {
                Stop::Statement(index, number, fault) | Stop::Commit(index, number, fault) => (*index, *number, fault),
                Stop::Record(fault) => (last, at, fault),
                _ => return Err(stop),
            };
            // What stays in part must not run again.
            if fault.class != Class::Busy || self.take_back() {
                return Err(stop);
            }
            let path = scripts[index].migration.path.display();
            tell(Said::Retry { path: &path, statement: number + 1, why: &fault.message });
            if patience.again().is_none() {
                return Err(stop);
            }
            if self.was_told(told) && self.forgets(&scripts[0]).is_err() {
                return Err(stop);
            }
        }
    }
}

impl<W: Wire> Runner<W> {
    /// Says whether the session may know something now that it did not know before.
    fn was_told(&mut self, told: Told) -> bool {
        let routines = |runner: &mut Self| {
            if runner.routines_tell.is_none() {
                runner.routines_tell = runner.wire.routines_tell().ok();
            }
            runner.routines_tell != Some(false)
        };
        self.wire.keeps_what_was_told()
            && match told {
                Told::No => false,
                Told::ByRoutines => routines(self),
                Told::Yes => true,
            }
    }

    /// Gets a session that was told nothing, for one that keeps what it was told: a variable would be set once more from
    /// its new value.
    ///
    /// # Errors
    /// If what was told before, by statements that are recorded, would be missed.
    fn forgets(&mut self, script: &Script) -> Result<(), Stop> {
        self.used = true;
        self.fresh_session().map_err(|_| Stop::Unsure)?;
        self.used = true;
        if script.mode == Mode::Journal {
            self.wire.settle(&script.terms)?;
            self.settings_again(script, self.reached)?;
        }
        Ok(())
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
