//! Metrics: counts sign-ins and refreshes by outcome, and detected reuse of refresh tokens.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The label `outcome` of a counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The counters of sign-ins, refreshes and detected reuse.
#[derive(Default)]
pub struct Metrics {
    sign_ins: Family<Outcome, Counter>,
    refreshes: Family<Outcome, Counter>,
    reuse: Counter,
}

impl Metrics {
    /// Registers the counters.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("sign_ins", "Sign-ins by outcome", self.sign_ins.clone());
        registry.register("refreshes", "Refreshes by outcome", self.refreshes.clone());
        registry.register(
            "reuse_detected",
            "Sessions ended because a used refresh token came back",
            self.reuse.clone(),
        );
    }

    /// Counts a sign-in.
    pub fn count_sign_in(&self, outcome: &'static str) {
        self.sign_ins.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a refresh.
    pub fn count_refresh(&self, outcome: &'static str) {
        self.refreshes.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a session that ended because a used refresh token was presented again.
    pub fn count_reuse(&self) {
        self.reuse.inc();
    }
}
