//! The clock that is passed in to everything that needs the time, so that tests can move it.

use latchkey_store::UnixSeconds;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

/// Tells the time, and how long this process has run.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { started: Instant },
    Set { seconds: Arc<AtomicI64>, uptime: Uptime },
}

#[derive(Clone)]
enum Uptime {
    /// The process started at this time, so the uptime grows with the time that is set.
    Since(UnixSeconds),
    /// The uptime itself, in seconds.
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// Returns the machine's clock.
    pub fn system() -> Self {
        Self(Source::System { started: Instant::now() })
    }

    /// Returns a clock for tests that reads `seconds`. The uptime is how far `seconds` has grown since this call.
    pub fn set(seconds: Arc<AtomicI64>) -> Self {
        let started = seconds.load(Ordering::Relaxed);
        Self(Source::Set {
            seconds,
            uptime: Uptime::Since(started),
        })
    }

    /// Returns a clock for tests whose time can step independently of the uptime. `uptime` is in seconds.
    pub fn stepping(seconds: Arc<AtomicI64>, uptime: Arc<AtomicI64>) -> Self {
        Self(Source::Set {
            seconds,
            uptime: Uptime::Set(uptime),
        })
    }

    /// Returns the current time.
    pub fn now(&self) -> UnixSeconds {
        match &self.0 {
            Source::System { .. } => {
                #[expect(clippy::disallowed_methods, reason = "the only place that reads the machine's clock")]
                let now = jiff::Timestamp::now();
                now.as_second()
            }
            Source::Set { seconds, .. } => seconds.load(Ordering::Relaxed),
        }
    }

    /// Returns the time of the database's own clock, which it has just reported as `reported`. A clock made by [`Clock::set`]
    /// replaces the database's clock too.
    pub fn of_database(&self, reported: UnixSeconds) -> UnixSeconds {
        match &self.0 {
            Source::Set {
                seconds,
                uptime: Uptime::Since(_),
            } => seconds.load(Ordering::Relaxed),
            Source::Set { .. } | Source::System { .. } => reported,
        }
    }

    /// Returns how long this process has run, in seconds, by a monotonic clock that cannot be set.
    pub fn uptime(&self) -> i64 {
        match &self.0 {
            Source::System { started } => i64::try_from(started.elapsed().as_secs()).unwrap_or(i64::MAX),
            Source::Set { seconds, uptime } => match uptime {
                Uptime::Since(started) => seconds.load(Ordering::Relaxed) - started,
                Uptime::Set(uptime) => uptime.load(Ordering::Relaxed),
            },
        }
    }
}
