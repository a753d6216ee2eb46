//! Keeps the revocations in memory up to date with those that other nodes and other programs have written to the database.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{interval, timeout};

use crate::clock::Clock;
use crate::revocations::{BATCH, Revocations};
use latchkey_store::{Store, StoreError};
use std::sync::Arc;

/// How often to read the database even without a NOTIFY, so that a session ended elsewhere ends here well within a second.
const EVERY: Duration = Duration::from_millis(200);

/// Longest wait for another call that is already reading.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the revocations that other nodes and other programs have written.
#[derive(Clone)]
pub struct RevocationSync {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// The revocations in memory.
    pub revocations: Arc<Revocations>,
    position: Arc<Mutex<i64>>,
}

impl RevocationSync {
    /// Returns a sync that has read nothing yet.
    pub fn new(store: Store, clock: Clock, revocations: Arc<Revocations>) -> Self {
        Self {
            store,
            clock,
            revocations,
            position: Arc::default(),
        }
    }

    /// Reads and applies all new revocations. Of several concurrent calls, one reads at a time and the others wait for it.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let mut position = timeout(PATIENCE, self.position.lock()).await.map_err(|_| StoreError::slow())?;
        let now = self.clock.now();
        let mut batch = Vec::new();
        let apply = |revocation| {
            batch.push(revocation);
            if batch.len() == BATCH {
                self.revocations.apply(&batch);
                batch.clear();
            }
        };
        *position = self.store.revocations_after(*position, apply).await?;
        self.revocations.apply(&batch);
        self.revocations.mark_synced(now);
        Ok(())
    }

    /// Catches up for as long as the program runs, and logs when the database becomes unavailable and when it answers again.
    pub async fn follow(self) {
        let mut ticks = interval(EVERY);
        let mut unavailable = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.store.wait_for_change() => {}
            }
            match self.catch_up().await {
                Ok(()) if unavailable => {
                    unavailable = false;
                    tracing::info!("the database answers again");
                }
                Err(error) if !unavailable => {
                    unavailable = true;
                    tracing::error!(%error, "cannot read revocations from the database");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}
