//! The bounded queue of log lines between the program and standard error. Logging never waits for the reader of standard error:
//! lines that do not fit into the queue are dropped and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Capacity of the queue, in lines.
const MAX_LINES: usize = 4096;

/// Maximum time at the end of the program to wait until the queue is written.
const MAX_WAIT: Duration = Duration::from_millis(1500);

/// A queue of lines and the thread that writes them.
pub struct Queue {
    lines: NonBlocking,
    overflowed: ErrorCounter,
    failed: Arc<AtomicU64>,
    worker: Mutex<Option<WorkerGuard>>,
}

impl Queue {
    /// Starts the thread that writes the lines to `writer`.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        let failed = Arc::new(AtomicU64::new(0));
        let counting = CountFailures {
            writer,
            failed: Arc::clone(&failed),
        };
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(MAX_LINES);
        let (lines, worker) = builder.thread_name("log").finish(counting);
        Self {
            overflowed: lines.error_counter(),
            lines,
            failed,
            worker: Mutex::new(Some(worker)),
        }
    }

    /// Returns a writer that puts lines into the queue.
    pub fn writer(&self) -> NonBlocking {
        self.lines.clone()
    }

    /// Returns the number of lines that were not written because the queue was full or the writer failed.
    pub fn dropped(&self) -> u64 {
        let overflowed = u64::try_from(self.overflowed.dropped_lines()).unwrap_or(u64::MAX);
        overflowed.saturating_add(self.failed.load(Ordering::Relaxed))
    }

    /// Waits until the queue is written, for [`MAX_WAIT`] at most. Later lines are dropped.
    pub fn finish(&self) {
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(worker) = worker else { return };
        let (done, finished) = mpsc::channel();
        // A separate thread drops the guard: if the queue is full, the drop prints to standard output, which may be the same stalled
        // pipe.
        let waiting = thread::Builder::new().name("log-end".into()).spawn(move || {
            drop(worker);
            let _ = done.send(());
        });
        if waiting.is_ok() {
            let _ = finished.recv_timeout(MAX_WAIT);
        }
    }
}

/// A writer that counts lines that could not be written, for example because the disk is full.
struct CountFailures<W> {
    writer: W,
    failed: Arc<AtomicU64>,
}

impl<W: Write> Write for CountFailures<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        self.writer.write_all(line).inspect_err(|_| {
            self.failed.fetch_add(1, Ordering::Relaxed);
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::Instant;

    use super::*;

    /// A writer that reports the start of each write, then blocks until the test releases it.
    struct Stalled {
        began: SyncSender<()>,
        go_on: Receiver<()>,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.began.send(());
            let _ = self.go_on.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_reader_blocks_no_caller_and_dropped_lines_are_counted() {
        let (began, writing) = sync_channel(1);
        let (release, go_on) = sync_channel(0);
        let queue = Queue::new(Stalled { began, go_on });
        let mut lines = queue.writer();
        lines.write_all(b"the one that stalls\n").expect("taken");
        writing.recv().expect("the worker writes");
        for _ in 0..MAX_LINES + 7 {
            lines.write_all(b"line\n").expect("taken");
        }
        assert_eq!(queue.dropped(), 7);
        let ending = Instant::now();
        queue.finish();
        assert!(ending.elapsed() < 10 * MAX_WAIT, "`finish` does not wait for the reader");
        drop(release);
    }

    #[test]
    fn finishing_writes_every_queued_line() {
        struct Sent(mpsc::Sender<Vec<u8>>);
        impl Write for Sent {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (written, lines) = mpsc::channel();
        let queue = Queue::new(Sent(written));
        for _ in 0..1000 {
            queue.writer().write_all(b"line\n").expect("taken");
        }
        queue.finish();
        assert_eq!((lines.try_iter().count(), queue.dropped()), (1000, 0));
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_as_dropped() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let queue = Queue::new(Full);
        for _ in 0..3 {
            queue.writer().write_all(b"line\n").expect("taken");
        }
        queue.finish();
        assert_eq!(queue.dropped(), 3);
    }
}
