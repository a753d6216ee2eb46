//! Rate limits by the generic cell rate algorithm: a burst of attempts, then one per interval. Each limit stores one number.

use crate::UnixSeconds;

/// How many seconds to wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryAfter(pub i64);

/// How many attempts a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many attempts are allowed at once.
    pub burst: i64,
    /// Seconds until one more attempt is allowed.
    pub interval: i64,
}

impl Rate {
    /// Returns the seconds until a limit that is used up is full again.
    pub const fn whole(self) -> i64 {
        self.burst * self.interval
    }

    /// Charges one attempt to a limit that is full again at `until`. Returns when it is full again afterwards, or how long to
    /// wait if the limit is used up. An `until` further ahead than [`whole`](Self::whole) can only come from a clock that stepped
    /// back; the limit then counts as full.
    pub fn take(self, until: UnixSeconds, now: UnixSeconds) -> Result<UnixSeconds, RetryAfter> {
        let counts = (now..=now + self.whole()).contains(&until);
        let next = if counts { until } else { now } + self.interval;
        let over = next - now - self.whole();
        if over <= 0 { Ok(next) } else { Err(RetryAfter(over)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, interval: 60 };
    const NOW: UnixSeconds = 1_800_000_000;

    #[test]
    fn a_burst_is_allowed_and_then_one_attempt_per_interval() {
        let mut until = 0;
        for _ in 0..3 {
            until = RATE.take(until, NOW).expect("within the burst");
        }
        assert_eq!(RATE.take(until, NOW), Err(RetryAfter(60)));
        assert_eq!(RATE.take(until, NOW + 59), Err(RetryAfter(1)));
        until = RATE.take(until, NOW + 60).expect("one more after the interval");
        assert_eq!(RATE.take(until, NOW + 60), Err(RetryAfter(60)));
        assert!(RATE.take(until, NOW + 60 + RATE.whole()).is_ok(), "full again");
    }

    #[test]
    fn a_clock_that_steps_back_makes_nobody_wait_longer() {
        let used_up = NOW + RATE.whole();
        assert_eq!(RATE.take(used_up, NOW), Err(RetryAfter(60)));
        assert!(RATE.take(used_up, NOW - 24 * 3600).is_ok());
    }
}
