//! Resets HTTP/2 streams whose client does not read the response. The write timeout of the socket does not detect a client that
//! closes the window of a stream and still answers pings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Maximum time for a client to read the next part of a response.
pub const PROGRESS_DEADLINE: Duration = Duration::from_secs(30);

tokio::task_local! {
    static PROGRESS: Arc<Progress>;
}

/// Runs the streams of one connection, and resets a stream whose response the client does not read.
#[derive(Clone, Default)]
pub struct StreamExecutor {
    stalled: Arc<Notify>,
}

impl StreamExecutor {
    /// Returns after a stream was reset.
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
        // Boxed, because the task would otherwise reserve memory for it several times.
        let work = Box::pin(PROGRESS.scope(Arc::clone(&progress), stream));
        tokio::spawn(async move {
            tokio::select! {
                _ = work => {}
                // Dropping the future of the stream resets the stream.
                () = progress.stalled() => stalled.notify_one(),
            }
        });
    }
}

/// Tracks how far the client has read the response of a stream.
#[derive(Default)]
pub struct Progress(Mutex<Parts>);

#[derive(Default)]
struct Parts {
    /// Number of parts that were passed to the connection and are not read yet.
    untaken: usize,
    /// When the client last read a part, or when the first unread part was passed on. `None` if no part is unread.
    since: Option<Instant>,
    /// Woken when no part is unread.
    waiting: Option<Waker>,
}

impl Progress {
    /// Returns the progress of the stream that the current task serves.
    pub fn of_this_stream() -> Arc<Self> {
        PROGRESS.try_with(Arc::clone).unwrap_or_default()
    }

    /// Records that a part was passed to the connection.
    pub fn handed_out(&self) {
        let mut parts = self.parts();
        if parts.untaken == 0 {
            parts.since = Some(Instant::now());
        }
        parts.untaken += 1;
    }

    /// Records that the client has read a part, or that the stream was reset.
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

    /// Is ready once the client has read every part.
    pub fn poll_all_taken(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut parts = self.parts();
        if parts.untaken == 0 {
            return Poll::Ready(());
        }
        parts.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    /// Returns once the client has read nothing for [`PROGRESS_DEADLINE`].
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

    /// Returns when the client must have read another part. `None` if no part is unread.
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
        assert_eq!(progress.due(), None, "no part is unread");
        let began = Instant::now();
        progress.handed_out();
        let first = progress.due().expect("a deadline");
        assert!(first >= began + PROGRESS_DEADLINE);
        progress.handed_out();
        assert_eq!(progress.due(), Some(first), "only reading by the client moves the deadline");
        while Instant::now() + PROGRESS_DEADLINE == first {}
        progress.taken();
        assert!(progress.due().expect("a deadline") > first);
        progress.taken();
        assert_eq!(progress.due(), None, "the client has read all parts");
    }
}
