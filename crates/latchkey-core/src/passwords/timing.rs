//! How long verifying takes, for each kind of hash, and which kinds a refusal takes as long as.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::passwords::hash_format::{HashFormat, decoy};

/// A kind of more than this many times the work of today's hashes delays refusals only while many accounts have it.
const MAX_USUAL_WORK: u64 = 4;

/// How many accounts are many. There is no need to count any further.
pub const MANY_ACCOUNTS: i64 = 10;

/// A hash that took this long says more about the machine than about its kind.
const LONGEST: Duration = Duration::from_secs(5);

/// How long verifying has taken, by kind.
#[derive(Default)]
pub struct Timings(Mutex<HashMap<String, Duration>>);

impl Timings {
    /// Takes note of a time. The longest counts, and fades: a machine that was busy once is not slow for good.
    pub fn note(&self, kind: &str, took: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = times.entry(kind.to_owned()).or_default();
        *known = took.min(LONGEST).max(known.saturating_sub(known.saturating_sub(took) / 16));
    }

    /// How long a kind takes, if it was ever verified.
    pub fn of(&self, kind: &str) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(kind).copied()
    }
}

/// The kinds that a refusal takes as long as: of argon2 and of bcrypt the costliest, and today's kind, which unknown names cost. `kinds`
/// says how many accounts have each. A costly kind of a few accounts does not count: it would slow down everybody. The refusals of
/// those few accounts take longer than others instead, until their hashes are upgraded.
pub fn padding(current: &str, kinds: &[(String, i64)]) -> Vec<String> {
    let work = |kind: &str| HashFormat::parse(&decoy(kind)).map_or(0, |stored| stored.work());
    let usual = MAX_USUAL_WORK * work(current);
    let mut costliest: [(u64, Option<&str>); 2] = [(0, None); 2];
    let counting = kinds
        .iter()
        .filter(|(kind, accounts)| work(kind) > 0 && (*accounts >= MANY_ACCOUNTS || work(kind) <= usual));
    for kind in counting.map(|(kind, _)| kind.as_str()).chain([current]) {
        let family = &mut costliest[usize::from(kind.starts_with("$2"))];
        *family = (*family).max((work(kind), Some(kind)));
    }
    costliest.into_iter().filter_map(|(_, kind)| kind).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_costly_kind_counts_while_many_accounts_have_it_and_a_usual_one_always() {
        const CURRENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
        const USUAL: [&str; 2] = ["$argon2id$v=19$m=65536,t=2,p=4$", "$2b$10$"];
        const COSTLY: [&str; 2] = ["$argon2id$v=19$m=65536,t=3,p=4$", "$2b$12$"];
        let of = |kinds: &[(&str, i64)]| {
            let kinds: Vec<_> = kinds.iter().map(|(kind, accounts)| ((*kind).to_owned(), *accounts)).collect();
            padding(CURRENT, &kinds)
        };
        assert_eq!(of(&[]), [CURRENT], "unknown names cost a hash of today");
        assert_eq!(of(&[("$2b$04$", 500)]), [CURRENT, "$2b$04$"]);
        assert_eq!(of(&[(USUAL[0], 1), (USUAL[1], 1)]), USUAL);
        assert_eq!(of(&[(COSTLY[0], 1), (COSTLY[1], MANY_ACCOUNTS - 1)]), [CURRENT]);
        assert_eq!(
            of(&[(COSTLY[0], MANY_ACCOUNTS), (COSTLY[1], MANY_ACCOUNTS), (USUAL[1], 500)]),
            COSTLY
        );
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_longest_counts_and_fades() {
        let timings = Timings::default();
        assert_eq!(timings.of("a"), None);
        timings.note("a", 10 * MS);
        timings.note("a", 50 * MS);
        assert_eq!(timings.of("a"), Some(50 * MS));
        timings.note("a", 10 * MS);
        assert!(timings.of("a") < Some(50 * MS) && timings.of("a") > Some(40 * MS));
        for _ in 0..200 {
            timings.note("a", 10 * MS);
        }
        assert!(timings.of("a").is_some_and(|time| time < 11 * MS));
        assert_eq!(timings.of("b"), None, "each kind has its own");
    }

    #[test]
    fn a_machine_that_slept_in_between_delays_nobody_for_long() {
        let timings = Timings::default();
        timings.note("a", Duration::from_hours(1));
        assert_eq!(timings.of("a"), Some(LONGEST));
    }
}
