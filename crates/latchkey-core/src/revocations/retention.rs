//! Decides how long a revocation is kept: until no access token that it revokes can be accepted any more, even if the clock steps
//! in the meantime.

use std::sync::{Mutex, PoisonError};

use crate::clock::Clock;
use latchkey_store::{Horizon, MAX_TOKEN_LIFE};

/// Finds a time that has certainly passed on a machine whose clock may step: the uptime plus the lowest difference between clock and
/// uptime within the last one to two [`MAX_TOKEN_LIFE`]s. A jump ahead therefore counts only once every token from before the jump
/// has expired by real time.
#[derive(Default)]
pub struct CautiousClock(Mutex<Option<Readings>>);

/// The lowest differences between the clock and the uptime, in the current period and in the previous one.
struct Readings {
    /// The uptime at which the current period began.
    since: i64,
    current: i64,
    previous: i64,
}

impl CautiousClock {
    /// Reads the clock. Call this more often than once in [`MAX_TOKEN_LIFE`].
    pub fn read(&self, clock: &Clock) -> Horizon {
        let uptime = clock.uptime();
        let difference = clock.now() - uptime;
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let readings = guard.get_or_insert(Readings {
            since: uptime,
            current: difference,
            previous: difference,
        });
        if uptime - readings.since >= MAX_TOKEN_LIFE {
            *readings = Readings {
                since: uptime,
                current: difference,
                previous: readings.current,
            };
        }
        readings.current = readings.current.min(difference);
        Horizon {
            now: uptime + readings.current.min(readings.previous),
            uptime,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

    use latchkey_store::UnixSeconds;

    use super::*;

    const NOW: UnixSeconds = 1_800_000_000;
    const HOUR: i64 = 3600;

    struct Machine {
        seconds: Arc<AtomicI64>,
        uptime: Arc<AtomicI64>,
        clock: Clock,
        cautious: CautiousClock,
    }

    impl Machine {
        fn new() -> Self {
            let (seconds, uptime) = (Arc::new(AtomicI64::new(NOW)), Arc::new(AtomicI64::new(0)));
            let machine = Self {
                clock: Clock::stepping(Arc::clone(&seconds), Arc::clone(&uptime)),
                seconds,
                uptime,
                cautious: CautiousClock::default(),
            };
            machine.read();
            machine
        }

        fn read(&self) -> Horizon {
            self.cautious.read(&self.clock)
        }

        /// Lets real time pass, and the clock with it.
        fn runs(&self, seconds: i64) {
            self.seconds.fetch_add(seconds, Relaxed);
            self.uptime.fetch_add(seconds, Relaxed);
        }

        /// Steps the clock without real time passing.
        fn steps(&self, seconds: i64) {
            self.seconds.fetch_add(seconds, Relaxed);
        }
    }

    #[test]
    fn a_revocation_is_kept_until_its_tokens_have_expired_and_the_process_has_run_for_their_life() {
        let machine = Machine::new();
        machine.runs(899);
        assert!(!machine.read().is_past(NOW, NOW + 900));
        machine.runs(1);
        assert!(machine.read().is_past(NOW, NOW + 900));
        assert!(!Machine::new().read().is_past(NOW - HOUR, NOW), "the process has only just started");
    }

    #[test]
    fn a_clock_that_steps_ahead_deletes_no_revocation_early() {
        let machine = Machine::new();
        machine.runs(10 * HOUR);
        let (written_at, expires_at) = (NOW + 10 * HOUR, NOW + 11 * HOUR);
        machine.steps(2 * HOUR);
        assert!(!machine.read().is_past(written_at, expires_at), "an hour of real time is left");
        machine.runs(HOUR - 1);
        assert!(!machine.read().is_past(written_at, expires_at));
        machine.runs(1);
        assert!(machine.read().is_past(written_at, expires_at));
    }

    #[test]
    fn a_step_of_the_clock_is_trusted_once_every_older_token_has_expired() {
        let machine = Machine::new();
        machine.runs(HOUR);
        machine.steps(2 * HOUR);
        for _ in 0..48 {
            machine.runs(HOUR);
            machine.read();
        }
        assert_eq!(machine.read().now, machine.clock.now());
    }

    #[test]
    fn a_clock_that_steps_back_is_trusted_at_once() {
        let machine = Machine::new();
        machine.runs(HOUR);
        machine.steps(-2 * HOUR);
        assert_eq!(machine.read().now, machine.clock.now());
    }
}
