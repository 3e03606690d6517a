//! Calls of SQLite's library: statements to their end, questions row by row, long ones on a thread beside.
//!
//! Refuses to know what they are about.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Instant;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection};

use crate::engine::watch::TICK;
use crate::engine::wire::Tick;

/// For how many rows of an answer SQLite keeps the pages that it read.
const KEPT: usize = 64;

/// Runs statements on a thread of their own, and tells meanwhile how long they take.
pub(super) fn run_and_tell(connection: &mut Connection, sql: &str, tick: Tick<'_>) -> rusqlite::Result<()> {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel();
        scope.spawn(move || sender.send(run_all(connection, sql)));
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(ran) => return ran,
                Err(RecvTimeoutError::Timeout) => tick(begun.elapsed()),
                Err(RecvTimeoutError::Disconnected) => return Err(rusqlite::Error::UnwindingPanic),
            }
        }
    })
}

/// Runs statements to the end of their rows.
pub(super) fn run_all(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    let mut batch = Batch::new(connection, sql);
    while let Some(mut statement) = batch.next()? {
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
    }
    Ok(())
}

/// Asks a question, and gives its rows one after the other; every cell comes as text.
pub(super) fn answers(
    connection: &Connection,
    sql: &str,
    take: &mut dyn FnMut(Vec<Option<String>>),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut read = 0_usize;
    while let Some(row) = rows.next()? {
        // Pages that were read once are not needed again.
        read += 1;
        if read.is_multiple_of(KEPT) {
            connection.release_memory()?;
        }
        let cell = |at: usize| {
            Ok(match row.get_ref(at)? {
                ValueRef::Null => None,
                ValueRef::Integer(number) => Some(number.to_string()),
                ValueRef::Real(number) => Some(number.to_string()),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            })
        };
        take((0..columns).map(cell).collect::<rusqlite::Result<_>>()?);
    }
    Ok(())
}
