//! The time, passed in, so that tests move it.

use latchkey_store::UnixSeconds;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

/// Says what time it is, and how long this process has run.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { started: Instant },
    Set { seconds: Arc<AtomicI64>, uptime: Uptime },
}

#[derive(Clone)]
enum Uptime {
    /// Grows with the time that is set.
    Since(UnixSeconds),
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System { started: Instant::now() })
    }

    /// A clock that stands where the given number says. The process has run for as long as the number has grown.
    pub fn set(seconds: Arc<AtomicI64>) -> Self {
        let started = seconds.load(Ordering::Relaxed);
        Self(Source::Set {
            seconds,
            uptime: Uptime::Since(started),
        })
    }

    /// A clock whose time can step while the process runs on: `uptime` says how long it has run, in seconds.
    pub fn stepping(seconds: Arc<AtomicI64>, uptime: Arc<AtomicI64>) -> Self {
        Self(Source::Set {
            seconds,
            uptime: Uptime::Set(uptime),
        })
    }

    /// The time now.
    pub fn now(&self) -> UnixSeconds {
        match &self.0 {
            Source::System { .. } => {
                #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
                let now = jiff::Timestamp::now();
                now.as_second()
            }
            Source::Set { seconds, .. } => seconds.load(Ordering::Relaxed),
        }
    }

    /// The time by the database's own clock, which it has just reported. A clock set by a test counts for the database too.
    pub fn of_database(&self, reported: UnixSeconds) -> UnixSeconds {
        match &self.0 {
            Source::Set {
                seconds,
                uptime: Uptime::Since(_),
            } => seconds.load(Ordering::Relaxed),
            Source::Set { .. } | Source::System { .. } => reported,
        }
    }

    /// How long this process has run, in seconds, by a clock that nobody can set.
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
