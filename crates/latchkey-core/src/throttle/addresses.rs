//! The limits that are kept in memory: those of an address, and those of an account from one address.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashlink::LinkedHashMap;

use latchkey_store::{Rate, RetryAfter, UnixSeconds};

/// Entries kept at most; beyond that, the one that was charged longest ago is dropped.
const MAX_KEPT: usize = 100_000;

/// What a limit counts. Two limits of one address are two entries, also at the same rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Attempts,
    UnknownRefreshTokens,
    SignUps,
    SignIns,
    SignInsToAccount,
}

/// A limit that each address has for itself.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub(super) kind: Kind,
    /// How many at once, and how soon one more.
    pub rate: Rate,
}

/// Who is limited: an IPv4 address, or the first half of an IPv6 address, which is what one customer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// An IPv4 address, also one that is written as IPv6.
    V4([u8; 4]),
    /// The /64 of an IPv6 address.
    V6([u8; 8]),
    /// Requests without a known address count as one.
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

/// A MAC of the name of an account.
pub(super) type AccountKey = [u8; 16];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    kind: Kind,
    network: Network,
    account: Option<AccountKey>,
}

/// A charge that can be refunded to the entry that it was taken from. Dropped, the charge stays.
#[derive(Debug)]
pub struct Charge {
    key: Key,
    seconds: i64,
    at: UnixSeconds,
}

/// For each entry, when all of its limit is there again; in the order of their last charge.
type Entries = LinkedHashMap<Key, UnixSeconds>;

/// The limits of all addresses.
#[derive(Default)]
pub struct Addresses(Mutex<Entries>);

impl Addresses {
    /// Charges a limit of an address.
    ///
    /// # Errors
    /// When the limit is used up.
    pub fn charge(&self, limit: Limit, address: Option<IpAddr>, now: UnixSeconds) -> Result<Charge, RetryAfter> {
        self.charge_entry(limit, address, None, now)
    }

    /// Charges a limit that an account has at an address.
    ///
    /// # Errors
    /// When the limit is used up.
    pub(super) fn charge_account(
        &self,
        limit: Limit,
        address: Option<IpAddr>,
        account: AccountKey,
        now: UnixSeconds,
    ) -> Result<Charge, RetryAfter> {
        self.charge_entry(limit, address, Some(account), now)
    }

    fn charge_entry(
        &self,
        limit: Limit,
        address: Option<IpAddr>,
        account: Option<AccountKey>,
        now: UnixSeconds,
    ) -> Result<Charge, RetryAfter> {
        let key = Key {
            kind: limit.kind,
            network: address.into(),
            account,
        };
        let mut entries = self.entries();
        // A refused try counts as the latest use: who keeps trying stays limited while others fill the table.
        let until = entries.to_back(&key).copied().unwrap_or(now);
        let charged = limit.rate.take(until, now)?;
        entries.insert(key, charged);
        if entries.len() > MAX_KEPT {
            entries.pop_front();
        }
        Ok(Charge {
            key,
            seconds: limit.rate.interval,
            at: now,
        })
    }

    /// Refunds a charge. An entry that is whole again goes, so that tries that are refunded drop nobody else's entry.
    pub fn refund(&self, charge: Charge) {
        let mut entries = self.entries();
        if let Some(until) = entries.get_mut(&charge.key) {
            *until -= charge.seconds;
            if *until <= charge.at {
                entries.remove(&charge.key);
            }
        }
    }

    /// Drops entries that are whole.
    pub fn forget(&self, now: UnixSeconds) {
        let mut entries = self.entries();
        entries.retain(|_, until| *until > now);
        entries.shrink_to_fit();
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit {
        kind: Kind::Attempts,
        rate: Rate { burst: 2, interval: 10 },
    };
    const NOW: UnixSeconds = 1_800_000_000;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// As many addresses as there is room for, none of them in a documentation network.
    fn fill(addresses: &Addresses, number: usize) {
        for n in 0..number {
            let octets = u32::try_from(n).expect("small").to_be_bytes();
            addresses.charge(LIMIT, Some(IpAddr::from(octets)), NOW).expect("its first");
        }
    }

    #[test]
    fn each_address_has_its_own_limit_and_an_ipv6_network_one() {
        let addresses = Addresses::default();
        let take = |text| addresses.charge(LIMIT, Some(address(text)), NOW).is_ok();
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
        assert!(addresses.charge(LIMIT, None, NOW).is_ok());
    }

    #[test]
    fn limits_of_two_kinds_and_of_two_accounts_count_apart() {
        let addresses = Addresses::default();
        let sign_ups = Limit {
            kind: Kind::SignUps,
            ..LIMIT
        };
        for _ in 0..2 {
            addresses.charge(LIMIT, None, NOW).expect("within the limit");
            addresses.charge(sign_ups, None, NOW).expect("within the limit");
            addresses.charge_account(LIMIT, None, [1; 16], NOW).expect("within the limit");
            addresses.charge_account(LIMIT, None, [2; 16], NOW).expect("within the limit");
        }
        addresses.charge(LIMIT, None, NOW).expect_err("used up");
        addresses.charge(sign_ups, None, NOW).expect_err("used up");
        addresses.charge_account(LIMIT, None, [1; 16], NOW).expect_err("used up");
    }

    #[test]
    fn what_is_refunded_can_be_charged_again_and_whole_entries_are_dropped() {
        let addresses = Addresses::default();
        let take = |now| addresses.charge(LIMIT, Some(address("192.0.2.1")), now);
        for _ in 0..10 {
            addresses.refund(take(NOW).expect("refunded each time"));
        }
        assert_eq!(addresses.entries().len(), 0);
        let first = take(NOW).expect("one");
        take(NOW).expect("two");
        addresses.refund(first);
        take(NOW).expect("two again");
        take(NOW).expect_err("used up");
        addresses.forget(NOW + 19);
        assert_eq!(addresses.entries().len(), 1);
        addresses.forget(NOW + 20);
        assert_eq!(addresses.entries().len(), 0);
    }

    #[test]
    fn a_full_table_drops_the_entry_that_was_charged_longest_ago() {
        let addresses = Addresses::default();
        let (guessing, quiet) = (Some(address("198.51.100.1")), Some(address("198.51.100.2")));
        for address in [guessing, quiet] {
            addresses.charge(LIMIT, address, NOW).expect("one");
            addresses.charge(LIMIT, address, NOW).expect("two");
        }
        fill(&addresses, MAX_KEPT / 2);
        addresses.charge(LIMIT, guessing, NOW).expect_err("used up, and used again");
        fill(&addresses, MAX_KEPT - 1);
        addresses.charge(LIMIT, guessing, NOW).expect_err("still used up");
        addresses.charge(LIMIT, quiet, NOW).expect("dropped");
        assert_eq!(addresses.entries().len(), MAX_KEPT);
    }

    #[test]
    fn a_refund_after_its_entry_was_dropped_changes_no_other_entry() {
        let addresses = Addresses::default();
        let charge = addresses.charge(LIMIT, Some(address("198.51.100.1")), NOW).expect("one");
        fill(&addresses, MAX_KEPT);
        let charged = || addresses.entries().values().map(|until| until - NOW).collect::<Vec<_>>();
        let before = charged();
        addresses.refund(charge);
        assert_eq!(charged(), before);
    }

    #[test]
    fn tries_that_are_refunded_drop_no_entry_of_others() {
        let addresses = Addresses::default();
        fill(&addresses, MAX_KEPT - 1);
        for n in 0..u128::from(u16::MAX) {
            let charge = addresses.charge_account(LIMIT, None, n.to_be_bytes(), NOW).expect("its first");
            addresses.refund(charge);
        }
        assert_eq!(addresses.entries().len(), MAX_KEPT - 1);
    }
}
