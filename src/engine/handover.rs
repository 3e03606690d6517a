//! From one session of MySQL or MariaDB to the next, with the lock: it is never free in between.
//!
//! Named locks belong to sessions, so the new one stands in line before the old one gives it up; who only asks whether it
//! is free is told that it is not. Refuses to wait for long.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlConnection;

use crate::engine::wire::{Rows, texts};

/// How many seconds the new session waits for the lock.
const HANDED: u32 = 10;
/// How long all of it may take: a network that says nothing must not hold it up.
pub(super) const LONGEST: Duration = Duration::from_secs(15);
/// How often, each a millisecond later, it is looked whether it waits.
const MOST_LOOKS: usize = 200;

/// Hands the lock over. Returns the number of the new connection; nothing if somebody else has the lock.
///
/// # Errors
/// If one of the two sessions does not answer.
pub(super) async fn hand_over(
    lock: &str,
    old: &mut MySqlConnection,
    next: &mut MySqlConnection,
) -> sqlx::Result<Option<u64>> {
    let rows = query("SELECT CONNECTION_ID()".to_owned(), next).await?;
    let process: u64 = first(&rows).and_then(|id| id.parse().ok()).unwrap_or(0);
    let taken = query(format!("SELECT GET_LOCK('{lock}', {HANDED})"), next);
    let given = async {
        // The script may have told the old session to give no rows, and MySQL does not even DO anything then.
        query("SET sql_select_limit = DEFAULT".to_owned(), old).await?;
        let in_line =
            format!("SELECT 1 FROM information_schema.processlist WHERE id = {process} AND state = 'User lock'");
        for _ in 0..MOST_LOOKS {
            if !query(in_line.clone(), old).await?.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        query(format!("DO RELEASE_LOCK('{lock}')"), old).await
    };
    let (taken, given) = both(taken, given).await;
    given?;
    Ok(first(&taken?).is_some_and(|got| got == "1").then_some(process))
}

/// Waits for two things at once.
async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(done) = one.as_mut().poll(context)
        {
            first = Some(done);
        }
        if second.is_none()
            && let Poll::Ready(done) = other.as_mut().poll(context)
        {
            second = Some(done);
        }
        match (first.take(), second.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            (one, other) => {
                (first, second) = (one, other);
                Poll::Pending
            }
        }
    })
    .await
}

async fn query(sql: String, connection: &mut MySqlConnection) -> sqlx::Result<Rows> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await?;
    texts!(rows)
}

fn first(rows: &Rows) -> Option<&str> {
    rows.first()?.first()?.as_deref()
}
