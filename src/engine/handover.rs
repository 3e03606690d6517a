//! From one session of a server to the next, with the lock: it is never free in between.
//!
//! Locks belong to sessions, so the new one stands in line before the old one gives it up; who only asks whether it is
//! free is told that it is not. Refuses to wait for long, and to know the words of any server.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::engine::wire::Rows;

/// How many seconds the new session waits for the lock.
pub(super) const HANDED: u32 = 10;
/// How long all of it may take: a network that says nothing must not hold it up.
pub(super) const LONGEST: Duration = Duration::from_secs(15);
/// How often, each a millisecond later, it is looked whether it waits.
const MOST_LOOKS: usize = 200;

/// The words of a server for it.
pub(super) struct Words<'w> {
    /// Asks the new session for its number.
    pub(super) who: &'w str,
    /// Waits for the lock; the first cell of the answer is that of [`Words::taken`] if it is had.
    pub(super) take: &'w str,
    /// What says that the lock is had.
    pub(super) taken: &'w str,
    /// Takes limits of the old session away that a script may have set.
    pub(super) before: &'w str,
    /// Asks the old session whether the new one, of this number, waits.
    pub(super) waits: &'w dyn Fn(u64) -> String,
    /// Lets the old session give the lock up.
    pub(super) give: &'w str,
}

/// Hands the lock over. Returns the number of the new session; nothing if somebody else has the lock.
///
/// # Errors
/// If one of the two sessions does not answer.
pub(super) async fn hand_over(
    words: &Words<'_>,
    mut old: impl AsyncFnMut(String) -> sqlx::Result<Rows>,
    mut next: impl AsyncFnMut(String) -> sqlx::Result<Rows>,
) -> sqlx::Result<Option<u64>> {
    let rows = next(words.who.to_owned()).await?;
    let process: u64 = first(&rows).and_then(|id| id.parse().ok()).unwrap_or(0);
    let taken = next(words.take.to_owned());
    let given = async {
        if !words.before.is_empty() {
            old(words.before.to_owned()).await?;
        }
        for _ in 0..MOST_LOOKS {
            // Who may not look lets go.
            if old((words.waits)(process)).await.map_or(true, |rows| !rows.is_empty()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        old(words.give.to_owned()).await
    };
    let (taken, given) = both(taken, given).await;
    given?;
    Ok(first(&taken?).is_some_and(|got| got == words.taken).then_some(process))
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

fn first(rows: &Rows) -> Option<&str> {
    rows.first()?.first()?.as_deref()
}

/// A closure that asks a connection of `sqlx`.
macro_rules! asks {
    ($connection:expr) => {
        async |sql: String| {
            let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(&mut $connection).await?;
            crate::engine::wire::texts!(rows)
        }
    };
}
pub(super) use asks;
