//! How long verifying takes, for each kind of hash: so that every refusal can take as long as the slowest.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A hash that took this long says more about the machine than about its kind.
const LONGEST: Duration = Duration::from_secs(5);

/// How long verifying has taken, by kind. A kind is named by its decoy.
#[derive(Default)]
pub struct Pace(Mutex<HashMap<String, Duration>>);

impl Pace {
    /// Takes note of a time. The longest counts, and fades: a machine that was busy once is not slow for good.
    pub fn note(&self, kind: String, took: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = times.entry(kind).or_default();
        *known = took.min(LONGEST).max(known.saturating_sub(known.saturating_sub(took) / 16));
    }

    /// How long a kind takes, if it was ever verified.
    pub fn of(&self, kind: &str) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(kind).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_longest_counts_and_fades() {
        let pace = Pace::default();
        assert_eq!(pace.of("a"), None);
        pace.note("a".into(), 10 * MS);
        pace.note("a".into(), 50 * MS);
        assert_eq!(pace.of("a"), Some(50 * MS));
        pace.note("a".into(), 10 * MS);
        assert!(pace.of("a") < Some(50 * MS) && pace.of("a") > Some(40 * MS));
        for _ in 0..200 {
            pace.note("a".into(), 10 * MS);
        }
        assert!(pace.of("a").is_some_and(|time| time < 11 * MS));
        assert_eq!(pace.of("b"), None, "each kind has its own");
    }

    #[test]
    fn a_machine_that_slept_in_between_delays_nobody_for_long() {
        let pace = Pace::default();
        pace.note("a".into(), Duration::from_hours(1));
        assert_eq!(pace.of("a"), Some(LONGEST));
    }
}
