//! Waiting for a server's answer, without waiting for a server that is gone.
//!
//! A network that drops everything says nothing, so a session that is silent for a while is asked about over a second
//! connection. Refuses to limit how long a statement may take.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::yield_now;
use tokio::time::timeout;

use crate::engine::wire::Tick;

/// How often it is told that a statement is still running.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// How long an answer is asked for without sleeping.
const MOMENT: Duration = Duration::from_micros(200);
/// How long silence is taken for work.
const SILENCE: Duration = Duration::from_secs(5);
/// How long a second connection may take; a pool may let it wait.
const ANSWER: Duration = Duration::from_secs(15);
/// How many times a server must not answer to be taken for gone.
const MOST: usize = 3;
/// The longest time between two looks at a session that is at work.
const SELDOM: Duration = Duration::from_secs(60);

/// Runs a future on a session's own runtime and tells every few seconds how long it takes.
///
/// `alive` asks over a second connection whether the session is still there; `None` if the server cannot be asked.
///
/// # Errors
/// The future's own, or that the session or the server is gone.
pub(super) fn wait<T>(
    runtime: &tokio::runtime::Runtime,
    tick: Tick<'_>,
    alive: impl AsyncFn() -> Option<bool>,
    future: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    runtime.block_on(async {
        let begun = Instant::now();
        let mut future = std::pin::pin!(future);
        if let Some(result) = at_once(future.as_mut()).await {
            return result;
        }
        let (mut unanswered, mut next) = (0, SILENCE);
        loop {
            if let Ok(result) = timeout(TICK, future.as_mut()).await {
                return result;
            }
            tick(begun.elapsed());
            if begun.elapsed() < next {
                continue;
            }
            match timeout(ANSWER, alive()).await.ok().flatten() {
                Some(true) => unanswered = 0,
                Some(false) => return Err(gone("the server has ended the session")),
                None => unanswered += 1,
            }
            if unanswered == MOST {
                return Err(gone("the server does not answer any more"));
            }
            next = if unanswered > 0 { begun.elapsed() } else { begun.elapsed() + begun.elapsed().min(SELDOM) };
        }
    })
}

/// Asks for an answer again and again for a moment before it is waited for: to be woken up costs a process more than most
/// statements take, above all on virtual machines. Sessions that work side by side leave the processors to each other.
async fn at_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    static EAGER: AtomicUsize = AtomicUsize::new(0);
    // To count them reads files of the system, so that is done once.
    static PROCESSORS: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));
    let alone = EAGER.fetch_add(1, Ordering::Relaxed) + 1 < *PROCESSORS;
    let begun = Instant::now();
    let answer = loop {
        let polled = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        match polled {
            Poll::Ready(answer) => break Some(answer),
            Poll::Pending if !alone || begun.elapsed() > MOMENT => break None,
            Poll::Pending => {
                // A server on this processor goes first.
                std::thread::yield_now();
                yield_now().await;
            }
        }
    };
    EAGER.fetch_sub(1, Ordering::Relaxed);
    answer
}

fn gone(why: &str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why))
}

/// Asks over a second connection whether a session is there: `question` has rows then. A server that refuses is there too;
/// `None` if it cannot be asked.
pub(super) async fn alive<C>(options: &C::Options, question: String) -> Option<bool>
where
    C: sqlx::Connection,
    for<'c> &'c mut C: sqlx::Executor<'c, Database = C::Database>,
{
    let asked = async {
        let mut second = C::connect_with(options).await?;
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(question)).fetch_all(&mut second).await;
        let _ = second.close().await;
        rows
    };
    match asked.await {
        Ok(rows) => Some(!rows.is_empty()),
        Err(sqlx::Error::Database(_)) => Some(true),
        Err(_) => None,
    }
}
