//! Limits how many resources, such as connections, each client network may hold at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use latchkey_core::throttle::Network;

/// Counts the permits that each network holds. A network without permits takes no memory.
pub struct NetworkQuota {
    most: AtomicUsize,
    held: Mutex<HashMap<Network, usize>>,
}

/// A permit that a network holds. Dropping it releases it.
pub struct NetworkPermit {
    quota: Arc<NetworkQuota>,
    network: Network,
}

impl NetworkQuota {
    /// Allows each network to hold `most` permits.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: AtomicUsize::new(most),
            held: Mutex::default(),
        })
    }

    /// Changes the limit of each network to `most` permits. Permits already taken stay valid.
    pub fn limit_to(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Takes a permit for a network. Returns `None` if the network has reached its limit.
    pub fn take(self: &Arc<Self>, network: Network) -> Option<NetworkPermit> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let number = held.get(&network).copied().unwrap_or(0);
        if number >= self.most.load(Ordering::Relaxed) {
            return None;
        }
        held.insert(network, number + 1);
        Some(NetworkPermit {
            quota: Arc::clone(self),
            network,
        })
    }
}

impl Drop for NetworkPermit {
    fn drop(&mut self) {
        let mut held = self.quota.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(&self.network) {
            Some(number) if *number > 1 => *number -= 1,
            _ => {
                held.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn network(text: &str) -> Network {
        Network::from(Some(text.parse::<IpAddr>().expect("an address")))
    }

    #[test]
    fn each_network_has_its_own_limit_and_dropping_a_permit_frees_it() {
        let quota = NetworkQuota::new(2);
        let take = |text| quota.take(network(text));
        let first = [take("192.0.2.1"), take("::ffff:192.0.2.1")];
        assert!(first.iter().all(Option::is_some));
        assert!(take("192.0.2.1").is_none(), "an IPv4-mapped IPv6 address is the same network");
        let second = [take("2001:db8::1"), take("2001:db8::2:1")];
        assert!(second.iter().all(Option::is_some), "another network has its own limit");
        assert!(take("2001:db8::3").is_none(), "an IPv6 /64 is one network");
        assert!(take("2001:db8:0:1::1").is_some());
        drop(first);
        assert!(take("192.0.2.1").is_some());
        drop(second);
        assert_eq!(quota.held.lock().expect("unpoisoned").len(), 0, "no entry is left");
    }
}
