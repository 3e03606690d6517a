//! What a PostgreSQL server says beside its answers. The library hands it to the log, where it is caught.
//!
//! Refuses everything else that is logged: statements and their values never leave the process.

use std::cell::RefCell;

use log::{LevelFilter, Log, Metadata, Record};

/// Where the library logs what a server says.
const TARGET: &str = "sqlx::postgres::notice";
/// More than so many notices for one statement are counted, not kept.
const MOST: usize = 50;

thread_local! {
    static HEARD: RefCell<(Vec<String>, usize)> = const { RefCell::new((Vec::new(), 0)) };
}

struct Ear;

impl Log for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        HEARD.with_borrow_mut(
            |(heard, more)| {
                if heard.len() < MOST { heard.push(record.args().to_string()) } else { *more += 1 }
            },
        );
    }

    fn flush(&self) {}
}

/// Begins to listen, once for the process.
pub(super) fn listen() {
    static EAR: Ear = Ear;
    if log::set_logger(&EAR).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Adds something of our own to what was said.
pub(super) fn add(notice: String) {
    HEARD.with_borrow_mut(|(heard, _)| heard.push(notice));
}

/// Takes what was said on this thread since the last call.
pub(super) fn take() -> Vec<String> {
    let (mut heard, more) = HEARD.take();
    if more > 0 {
        heard.push(format!("and {more} more"));
    }
    heard
}
