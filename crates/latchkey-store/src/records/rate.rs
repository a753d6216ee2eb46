//! So many at once, then one every so often (the generic cell rate algorithm): one number to keep for each budget.

use crate::UnixSeconds;

/// How many seconds to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryAfter(pub i64);

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once.
    pub burst: i64,
    /// Seconds until one more.
    pub interval: i64,
}

impl Rate {
    /// Seconds that a whole budget is worth.
    pub const fn whole(self) -> i64 {
        self.burst * self.interval
    }

    /// Takes one from a budget that is whole again at `until`: when it is whole then, or how long to wait. Further away
    /// than a budget is worth it can only be after a clock stepped back; then it is whole.
    ///
    /// # Errors
    /// When the budget is used up.
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
    fn so_many_at_once_then_one_every_so_often() {
        let mut until = 0;
        for _ in 0..3 {
            until = RATE.take(until, NOW).expect("within the burst");
        }
        assert_eq!(RATE.take(until, NOW), Err(RetryAfter(60)));
        assert_eq!(RATE.take(until, NOW + 59), Err(RetryAfter(1)));
        until = RATE.take(until, NOW + 60).expect("one more");
        assert_eq!(RATE.take(until, NOW + 60), Err(RetryAfter(60)));
        assert!(RATE.take(until, NOW + 60 + RATE.whole()).is_ok(), "whole again");
    }

    #[test]
    fn a_clock_that_steps_back_makes_nobody_wait_longer() {
        let used_up = NOW + RATE.whole();
        assert_eq!(RATE.take(used_up, NOW), Err(RetryAfter(60)));
        assert!(RATE.take(used_up, NOW - 24 * 3600).is_ok());
    }
}
