//! The budgets of addresses, in memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rate::{Rate, Wait};
use crate::server::clock::UnixSeconds;

/// Budgets kept at most; beyond that, those who come anew share one.
const MAX_KEPT: usize = 100_000;

/// Whose budget: an IPv4 address, or the first half of an IPv6 address, which is what one customer is given.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    V4([u8; 4]),
    V6([u8; 8]),
    /// Whoever cannot be told apart.
    Unknown,
}

impl From<Option<IpAddr>> for Network {
    fn from(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::V4(address.octets()),
            Some(IpAddr::V6(address)) => address.octets().first_chunk().copied().map_or(Self::Unknown, Self::V6),
            None => Self::Unknown,
        }
    }
}

type Budgets = HashMap<(Network, i64), UnixSeconds>;

/// The budgets of all addresses.
#[derive(Default)]
pub struct Addresses(Mutex<Budgets>);

impl Addresses {
    /// Takes one from the budget that an address has at a rate.
    ///
    /// # Errors
    /// When it is used up.
    pub fn take(&self, rate: Rate, address: Option<IpAddr>, now: UnixSeconds) -> Result<(), Wait> {
        let mut budgets = self.budgets();
        let mut key = (Network::from(address), rate.whole());
        if budgets.len() >= MAX_KEPT && !budgets.contains_key(&key) {
            key.0 = Network::Unknown;
        }
        let until = budgets.get(&key).copied().unwrap_or(now);
        budgets.insert(key, rate.take(until, now)?);
        Ok(())
    }

    /// Gives one back.
    pub fn give_back(&self, rate: Rate, address: Option<IpAddr>) {
        if let Some(until) = self.budgets().get_mut(&(Network::from(address), rate.whole())) {
            *until -= rate.interval;
        }
    }

    /// Forgets budgets that are whole.
    pub fn forget(&self, now: UnixSeconds) {
        let mut budgets = self.budgets();
        budgets.retain(|_, until| *until > now);
        budgets.shrink_to_fit();
    }

    fn budgets(&self) -> MutexGuard<'_, Budgets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 2, interval: 10 };
    const NOW: UnixSeconds = 1_800_000_000;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn each_address_has_its_own_budget_and_an_ipv6_network_one() {
        let addresses = Addresses::default();
        let take = |text| addresses.take(RATE, Some(address(text)), NOW).is_ok();
        assert_eq!(
            [take("192.0.2.1"), take("::ffff:192.0.2.1"), take("192.0.2.1"), take("192.0.2.2")],
            [true, true, false, true]
        );
        assert_eq!(
            [
                take("2001:db8::1"),
                take("2001:db8::2:1"),
                take("2001:db8::3"),
                take("2001:db8:0:1::1")
            ],
            [true, true, false, true]
        );
        assert!(addresses.take(RATE, None, NOW).is_ok());
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_whole_budgets_are_forgotten() {
        let addresses = Addresses::default();
        for _ in 0..10 {
            addresses.take(RATE, Some(address("192.0.2.1")), NOW).expect("given back each time");
            addresses.give_back(RATE, Some(address("192.0.2.1")));
        }
        addresses.take(RATE, Some(address("192.0.2.1")), NOW).expect("one");
        addresses.forget(NOW + 9);
        assert_eq!(addresses.budgets().len(), 1);
        addresses.forget(NOW + 10);
        assert_eq!(addresses.budgets().len(), 0);
    }

    #[test]
    fn memory_is_bounded_and_newcomers_then_share_a_budget() {
        let addresses = Addresses::default();
        for n in 0..MAX_KEPT {
            let octets = u32::try_from(n).expect("small").to_be_bytes();
            addresses.take(RATE, Some(IpAddr::from(octets)), NOW).expect("its first");
        }
        let taken = ["198.51.100.1", "198.51.100.2", "198.51.100.3"].map(|text| addresses.take(RATE, Some(address(text)), NOW).is_ok());
        assert_eq!(taken, [true, true, false]);
        assert!(addresses.budgets().len() <= MAX_KEPT + 1);
    }
}
