//! Watches that the client takes the answers of an HTTP/2 connection, stream by stream. The socket's own deadline does not
//! see a client that closes the window of a stream and goes on to answer pings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Longest wait for a client to take the next part of an answer.
pub const PROGRESS_DEADLINE: Duration = Duration::from_secs(30);

tokio::task_local! {
    static PROGRESS: Arc<Progress>;
}

/// Runs the streams of one connection. One whose answer the client does not take is reset.
#[derive(Clone, Default)]
pub struct StreamExecutor {
    stalled: Arc<Notify>,
}

impl StreamExecutor {
    /// Returns once a stream was reset.
    pub async fn stalled(&self) {
        self.stalled.notified().await;
    }
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        let (progress, stalled) = (Arc::new(Progress::default()), Arc::clone(&self.stalled));
        // Boxed: the task would otherwise have room for it several times.
        let work = Box::pin(PROGRESS.scope(Arc::clone(&progress), stream));
        tokio::spawn(async move {
            tokio::select! {
                _ = work => {}
                // The stream's future is dropped, which resets the stream.
                () = progress.stalled() => stalled.notify_one(),
            }
        });
    }
}

/// How far the client has taken the answer of a stream.
#[derive(Default)]
pub struct Progress(Mutex<Parts>);

#[derive(Default)]
struct Parts {
    /// Parts that were handed out and are still held for the client.
    untaken: usize,
    /// When a part was last taken, or the first one of these was handed out.
    since: Option<Instant>,
    /// Waits until there are none.
    waiting: Option<Waker>,
}

impl Progress {
    /// That of the stream that this task works for.
    pub fn of_this_stream() -> Arc<Self> {
        PROGRESS.try_with(Arc::clone).unwrap_or_default()
    }

    /// Notes that a part is held for the client.
    pub fn handed_out(&self) {
        let mut parts = self.parts();
        if parts.untaken == 0 {
            parts.since = Some(Instant::now());
        }
        parts.untaken += 1;
    }

    /// Notes that the client has taken a part.
    pub fn taken(&self) {
        let mut parts = self.parts();
        parts.untaken = parts.untaken.saturating_sub(1);
        parts.since = (parts.untaken > 0).then(Instant::now);
        if parts.untaken == 0
            && let Some(waiting) = parts.waiting.take()
        {
            waiting.wake();
        }
    }

    /// Ready once the client has taken every part.
    pub fn poll_all_taken(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut parts = self.parts();
        if parts.untaken == 0 {
            return Poll::Ready(());
        }
        parts.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    /// Returns once the client has taken nothing for too long.
    async fn stalled(&self) {
        loop {
            let now = Instant::now();
            let due = self.due().unwrap_or(now + PROGRESS_DEADLINE);
            if due <= now {
                return;
            }
            sleep_until(due).await;
        }
    }

    /// When the client must have taken another part. `None` while none is held for it.
    fn due(&self) -> Option<Instant> {
        Some(self.parts().since? + PROGRESS_DEADLINE)
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_30_seconds_for_each_part_of_an_answer() {
        let progress = Progress::default();
        assert_eq!(progress.due(), None, "nothing is held for the client");
        let began = Instant::now();
        progress.handed_out();
        let first = progress.due().expect("a deadline");
        assert!(first >= began + PROGRESS_DEADLINE);
        progress.handed_out();
        assert_eq!(progress.due(), Some(first), "what the server does is no progress");
        while Instant::now() + PROGRESS_DEADLINE == first {}
        progress.taken();
        assert!(progress.due().expect("a deadline") > first);
        progress.taken();
        assert_eq!(progress.due(), None, "all is taken");
    }
}
