//! Limits the number of open event streams. Each holds a connection, or a stream of one, for as long as a page is open.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::network_quota::{NetworkPermit, NetworkQuota};
use latchkey_core::throttle::Network;

/// Maximum number of event streams at a time.
const MAX_STREAMS: usize = 4096;

/// Maximum number of event streams of one client network.
const MAX_OF_A_NETWORK: usize = 512;

/// Counts and limits the open event streams.
pub struct EventStreams {
    all: Arc<Semaphore>,
    of_networks: Arc<NetworkQuota>,
}

/// A permit for one open event stream. Dropping it releases it.
pub struct EventStreamPermit {
    _of_network: NetworkPermit,
    _of_all: OwnedSemaphorePermit,
}

impl Default for EventStreams {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(MAX_STREAMS)),
            of_networks: NetworkQuota::new(MAX_OF_A_NETWORK),
        }
    }
}

impl EventStreams {
    /// Lowers the limits to fit the number of connections: event streams may hold half of them, and one network an eighth of that
    /// half. Must be called only once, at the start.
    pub fn fit(&self, connections: usize) {
        let most = (connections / 2).clamp(1, MAX_STREAMS);
        self.all.forget_permits(MAX_STREAMS - most);
        self.of_networks.limit_to((most / 8).clamp(1, MAX_OF_A_NETWORK));
    }

    /// Takes a permit for a stream of this network. Returns `None` if too many streams are open.
    pub fn take(&self, network: Network) -> Option<EventStreamPermit> {
        Some(EventStreamPermit {
            _of_network: self.of_networks.take(network)?,
            _of_all: Arc::clone(&self.all).try_acquire_owned().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(streams: &EventStreams, last: u8, number: usize) -> Vec<EventStreamPermit> {
        (0..number).map_while(|_| streams.take(Network::V4([192, 0, 2, last]))).collect()
    }

    #[test]
    fn one_network_may_open_512_event_streams_and_all_networks_4096() {
        let streams = EventStreams::default();
        let held: Vec<_> = (0..9).map(|network| take(&streams, network, 600)).collect();
        let numbers: Vec<_> = held.iter().map(Vec::len).collect();
        assert_eq!(numbers, [512, 512, 512, 512, 512, 512, 512, 512, 0]);
        drop(held);
        assert_eq!(take(&streams, 0, 600).len(), 512, "closed streams release their permits");
    }

    #[test]
    fn fewer_connections_allow_fewer_event_streams() {
        let streams = EventStreams::default();
        streams.fit(896);
        let held: Vec<_> = (0..9).map(|network| take(&streams, network, 600)).collect();
        assert_eq!(held.iter().map(Vec::len).sum::<usize>(), 448);
        assert_eq!(held[0].len(), 56);
    }
}
