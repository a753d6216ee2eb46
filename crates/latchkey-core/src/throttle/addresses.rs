//! The limits that are kept in memory: limits of an address, and limits of an account from one address.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashlink::LinkedHashMap;

use latchkey_store::{Rate, RetryAfter, UnixSeconds};

/// Most entries. Beyond this the entry that was charged longest ago is dropped.
const MAX_KEPT: usize = 100_000;

/// What a limit counts. Limits of different kinds are separate entries of an address, even at the same rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Attempts,
    UnknownRefreshTokens,
    SignUps,
    SignIns,
    SignInsToAccount,
}

/// A limit that applies to each address separately.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub(super) kind: Kind,
    /// How many are allowed at once, and how often one more is allowed after that.
    pub rate: Rate,
}

/// The network that a limit applies to: an IPv4 address, or the first 64 bits of an IPv6 address, because providers give each customer
/// such a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// An IPv4 address, including an IPv4-mapped IPv6 address.
    V4([u8; 4]),
    /// The /64 network of an IPv6 address.
    V6([u8; 8]),
    /// All requests without a known address share one limit.
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

/// A MAC of an account's name.
pub(super) type AccountKey = [u8; 16];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    kind: Kind,
    network: Network,
    account: Option<AccountKey>,
}

/// A charge that can be refunded to the entry that was charged. Dropping it leaves the entry charged.
#[derive(Debug)]
pub struct Charge {
    key: Key,
    seconds: i64,
    at: UnixSeconds,
}

/// For each entry, when its limit will be completely restored. The entries are in the order of their last charge.
type Entries = LinkedHashMap<Key, UnixSeconds>;

/// The limits of all addresses.
#[derive(Default)]
pub struct Addresses(Mutex<Entries>);

impl Addresses {
    /// Charges a limit of an address.
    pub fn charge(&self, limit: Limit, address: Option<IpAddr>, now: UnixSeconds) -> Result<Charge, RetryAfter> {
        self.charge_entry(limit, address, None, now)
    }

    /// Charges a limit of an account from one address.
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
        // A refused attempt also moves the entry to the back, so that a client that keeps trying stays limited while others fill the
        // table.
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

    /// Refunds a charge. An entry without any charge left is removed, so that refunded attempts do not push out the entries of others.
    pub fn refund(&self, charge: Charge) {
        let mut entries = self.entries();
        if let Some(until) = entries.get_mut(&charge.key) {
            *until -= charge.seconds;
            if *until <= charge.at {
                entries.remove(&charge.key);
            }
        }
    }

    /// Removes the entries whose limits are completely restored.
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

    /// Charges this many addresses once each, none of them in a documentation network.
    fn fill(addresses: &Addresses, number: usize) {
        for n in 0..number {
            let octets = u32::try_from(n).expect("small").to_be_bytes();
            addresses
                .charge(LIMIT, Some(IpAddr::from(octets)), NOW)
                .expect("the first charge of this address");
        }
    }

    #[test]
    fn each_ipv4_address_and_each_ipv6_network_has_its_own_limit() {
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
    fn limits_of_different_kinds_and_accounts_are_charged_separately() {
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
    fn a_refunded_charge_can_be_charged_again_and_restored_entries_are_removed() {
        let addresses = Addresses::default();
        let take = |now| addresses.charge(LIMIT, Some(address("192.0.2.1")), now);
        for _ in 0..10 {
            addresses.refund(take(NOW).expect("refunded each time"));
        }
        assert_eq!(addresses.entries().len(), 0);
        let first = take(NOW).expect("one");
        take(NOW).expect("two");
        addresses.refund(first);
        take(NOW).expect("the refunded charge");
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
        addresses
            .charge(LIMIT, guessing, NOW)
            .expect_err("used up; this refused charge counts as its latest use");
        fill(&addresses, MAX_KEPT - 1);
        addresses.charge(LIMIT, guessing, NOW).expect_err("still used up");
        addresses.charge(LIMIT, quiet, NOW).expect("its entry was dropped");
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
    fn refunded_attempts_drop_no_entries_of_others() {
        let addresses = Addresses::default();
        fill(&addresses, MAX_KEPT - 1);
        for n in 0..u128::from(u16::MAX) {
            let charge = addresses
                .charge_account(LIMIT, None, n.to_be_bytes(), NOW)
                .expect("the first charge of this account");
            addresses.refund(charge);
        }
        assert_eq!(addresses.entries().len(), MAX_KEPT - 1);
    }
}
