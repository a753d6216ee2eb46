//! The metrics and their registry.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The label of the number of database connections: `in_use`, `idle`, or `waiting` for requests that wait for one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ConnectionState {
    pub(super) state: &'static str,
}

/// The labels of a request time. They contain the route and not the path, which keeps the number of label sets small.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Answer {
    pub(super) route: String,
    pub(super) method: &'static str,
    pub(super) status: u16,
}

pub(super) type Times = Family<Answer, Histogram, fn() -> Histogram>;

/// All metrics of the program.
pub struct Metrics {
    pub(super) registry: Registry,
    pub(super) times: Times,
    pub(super) sessions: Gauge,
    pub(super) hashing: Gauge,
    pub(super) connections: Family<ConnectionState, Gauge>,
    pub(super) log_dropped: Counter,
    pub(super) log_suppressed: Counter,
}

impl Metrics {
    /// Creates the metrics at zero, and registers the metrics of the core.
    pub fn new(sign_ins_and_refreshes: &latchkey_core::metrics::Metrics) -> Self {
        let mut registry = Registry::with_prefix("latchkey");
        sign_ins_and_refreshes.register(&mut registry);
        let sessions = Gauge::default();
        registry.register("sessions_live", "Live sessions, counted once a minute", sessions.clone());
        let hashing = Gauge::default();
        registry.register("hashing_queue", "Password hashes running or waiting", hashing.clone());
        let connections = Family::<ConnectionState, Gauge>::default();
        registry.register(
            "database_connections",
            "Connections to PostgreSQL in use and idle, and requests that wait for one",
            connections.clone(),
        );
        let log_dropped = Counter::default();
        registry.register(
            "log_lines_dropped",
            "Log lines lost because standard error was too slow or full",
            log_dropped.clone(),
        );
        let log_suppressed = Counter::default();
        registry.register(
            "log_lines_suppressed",
            "Log lines not written because a client caused too many of their kind",
            log_suppressed.clone(),
        );
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_1, 4.0, 9));
        let times = Times::new_with_constructor(buckets);
        registry.register_with_unit("request", "Time to answer, by route", Unit::Seconds, times.clone());
        Self {
            registry,
            times,
            sessions,
            hashing,
            connections,
            log_dropped,
            log_suppressed,
        }
    }
}
