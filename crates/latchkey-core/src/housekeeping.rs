//! Removes expired data in the background and in small batches, so that no request waits for it.

use std::time::Duration;

use tokio::time::{interval, sleep};

use crate::clock::Clock;
use crate::sessions::Sessions;
use crate::sessions::write_behind::Writer;
use latchkey_store::{EndReason, Horizon, Store, StoreError};

/// How often housekeeping runs.
const EVERY: Duration = Duration::from_mins(1);

/// Rows removed in one transaction: so few that the pauses are longer than the transactions.
const BATCH: i64 = 100;

/// Pause between two batches, in which other transactions can write.
const PAUSE: Duration = Duration::from_millis(20);

const DAY: i64 = 24 * 3600;

/// How long the row of a session is kept after its end, in seconds, so that a client that presents its tokens is told why it ended.
const SESSIONS_KEPT: i64 = 7 * DAY;

/// How long a browser session lives if no request ever presents its cookie, in seconds.
const UNCONFIRMED_FOR: i64 = 120;

/// How long audit events are kept, in seconds.
pub const EVENTS_KEPT: i64 = 90 * DAY;

/// Removes expired data from the database and from memory.
#[derive(Clone)]
pub struct Housekeeping {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Sessions and their tokens.
    pub sessions: Sessions,
    /// Writes first uses that are not marked yet.
    pub writer: Writer,
}

impl Housekeeping {
    /// Runs [`Housekeeping::tidy`] once a minute for as long as the program runs.
    pub async fn keep_tidy(self) {
        let mut ticks = interval(EVERY);
        loop {
            ticks.tick().await;
            if let Err(error) = self.tidy().await {
                tracing::warn!(%error, "housekeeping waits for the database");
            }
        }
    }

    /// Removes all expired data once.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.sessions.tokens.forget(now);
        self.sessions.first_uses.forget(now, self.sessions.tokens.life());
        self.sessions.addresses.forget(now);
        let store = &self.store;
        // Mark outstanding first uses first, because sessions without a marked use are ended next.
        self.writer.write_unmarked().await?;
        while more(self.end_unconfirmed().await?).await {}
        while more(store.remove_sessions_over_before(now - SESSIONS_KEPT, BATCH).await?).await {}
        self.delete_revocations().await?;
        while store.mark_ended_sessions(BATCH).await? {
            sleep(PAUSE).await;
        }
        while store.purge_removed_account(BATCH).await? {
            sleep(PAUSE).await;
        }
        while more(store.remove_throttles_before(now, BATCH).await?).await {}
        while more(store.remove_events_before(now - EVENTS_KEPT, BATCH).await?).await {}
        Ok(())
    }

    /// Deletes the revocations whose tokens have all expired, and then their entries in memory. On PostgreSQL the database's clock
    /// decides, because it is the same for all nodes. A node whose own clock is behind keeps its entries until its own clock has
    /// passed their expiry too.
    async fn delete_revocations(&self) -> Result<(), StoreError> {
        let horizon = match self.store.clock().await? {
            Some(reported) => Horizon {
                now: self.clock.of_database(reported).min(self.clock.now()),
                uptime: i64::MAX,
            },
            None => self.sessions.revocations.cautious_clock.read(&self.clock),
        };
        while more(self.store.remove_revocations(&horizon, BATCH).await?).await {}
        self.sessions.revocations.forget(&horizon);
        Ok(())
    }

    /// Ends a batch of browser sessions whose cookie was never presented. A visitor who blocks cookies would otherwise leave a session
    /// behind with each sign-in.
    async fn end_unconfirmed(&self) -> Result<u64, StoreError> {
        let ending = self.sessions.ending(EndReason::Unconfirmed);
        let ended = self
            .store
            .end_unconfirmed_sessions(ending.at - UNCONFIRMED_FOR, &ending, BATCH)
            .await?;
        self.sessions.revocations.apply(&ended);
        Ok(ended.len() as u64)
    }
}

/// Returns whether there may be more rows to remove. If so, it first pauses so that other transactions can write.
async fn more(removed: u64) -> bool {
    if removed < BATCH.unsigned_abs() {
        return false;
    }
    sleep(PAUSE).await;
    true
}
