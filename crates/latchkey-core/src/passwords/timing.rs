//! Measures how long verifying takes for each kind of hash, and decides to which kinds the time of a refusal is padded.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::passwords::hash_format::{HashFormat, decoy};

/// A kind with more than this many times the work of current hashes delays refusals only while many accounts have it.
const MAX_USUAL_WORK: u64 = 4;

/// The number of accounts that counts as many. Accounts beyond it need not be counted.
pub const MANY_ACCOUNTS: i64 = 10;

/// Longest time that is recorded. A verification that takes longer says more about the machine than about the kind of hash.
const LONGEST: Duration = Duration::from_secs(5);

/// How long verifying has recently taken, by kind of hash.
#[derive(Default)]
pub struct Timings(Mutex<HashMap<String, Duration>>);

impl Timings {
    /// Records a time. The longest time is kept but decays with each shorter one, so that a machine that was busy once does not count as
    /// slow forever.
    pub fn note(&self, kind: &str, took: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = times.entry(kind.to_owned()).or_default();
        *known = took.min(LONGEST).max(known.saturating_sub(known.saturating_sub(took) / 16));
    }

    /// Returns how long a kind takes, or `None` if it was never verified.
    pub fn of(&self, kind: &str) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(kind).copied()
    }
}

/// Returns the kinds whose time a refusal is padded to: the costliest kind of argon2, including the current kind, which unknown names
/// cost, and the costliest kind of bcrypt. `kinds` says how many accounts have each kind. A costly kind that only a few accounts have
/// does not count, because it would slow down all users. Refusals of those few accounts take longer than others instead, until their
/// hashes are upgraded.
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
    fn refusals_are_padded_to_a_costly_kind_only_while_many_accounts_have_it() {
        const CURRENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
        const USUAL: [&str; 2] = ["$argon2id$v=19$m=65536,t=2,p=4$", "$2b$10$"];
        const COSTLY: [&str; 2] = ["$argon2id$v=19$m=65536,t=3,p=4$", "$2b$12$"];
        let of = |kinds: &[(&str, i64)]| {
            let kinds: Vec<_> = kinds.iter().map(|(kind, accounts)| ((*kind).to_owned(), *accounts)).collect();
            padding(CURRENT, &kinds)
        };
        assert_eq!(of(&[]), [CURRENT], "unknown names cost a current hash");
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
    fn the_longest_time_is_kept_and_decays() {
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
        assert_eq!(timings.of("b"), None, "each kind has its own time");
    }

    #[test]
    fn recorded_times_are_capped_so_that_a_suspended_machine_does_not_delay_refusals() {
        let timings = Timings::default();
        timings.note("a", Duration::from_hours(1));
        assert_eq!(timings.of("a"), Some(LONGEST));
    }
}
