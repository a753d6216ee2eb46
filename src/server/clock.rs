//! The time, passed in, so that tests move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Seconds since 1970-01-01 UTC, as in a JWT's NumericDate (RFC 7519 section 2).
pub type UnixSeconds = i64;

/// Says what time it is.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands where the given number says.
    pub fn set(seconds: Arc<AtomicI64>) -> Self {
        Self(Source::Set(seconds))
    }

    /// The time now.
    pub fn now(&self) -> UnixSeconds {
        match &self.0 {
            Source::System => {
                #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
                let now = jiff::Timestamp::now();
                now.as_second()
            }
            Source::Set(seconds) => seconds.load(Ordering::Relaxed),
        }
    }
}
