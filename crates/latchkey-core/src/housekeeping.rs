//! Removes what is over, in the background and in small batches, so that nobody waits for it.

use std::time::Duration;

use tokio::time::{interval, sleep};

use crate::clock::Clock;
use crate::sessions::Sessions;
use crate::sessions::write_behind::Writer;
use latchkey_store::{EndReason, Horizon, Store, StoreError};

/// How often.
const EVERY: Duration = Duration::from_mins(1);

/// Rows removed in one change: so few that the pauses are longer than the changes.
const BATCH: i64 = 100;

/// Between two batches others have their turn.
const PAUSE: Duration = Duration::from_millis(20);

const DAY: i64 = 24 * 3600;

/// How long the row of a session stays after its end, in seconds: its tokens are told why.
const SESSIONS_KEPT: i64 = 7 * DAY;

/// How long a browser session lives whose cookie has not come back, in seconds.
const UNCONFIRMED_FOR: i64 = 120;

/// How long events stay, in seconds.
pub const EVENTS_KEPT: i64 = 90 * DAY;

/// What is removed, and from where.
#[derive(Clone)]
pub struct Housekeeping {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Sessions and their tokens.
    pub sessions: Sessions,
    /// Writes what waits.
    pub writer: Writer,
}

impl Housekeeping {
    /// Tidies up for as long as the program runs.
    pub async fn keep_tidy(self) {
        let mut ticks = interval(EVERY);
        loop {
            ticks.tick().await;
            if let Err(error) = self.tidy().await {
                tracing::warn!(%error, "housekeeping waits for the database");
            }
        }
    }

    /// Tidies up once.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.sessions.tokens.forget(now);
        self.sessions.first_uses.forget(now, self.sessions.tokens.life());
        self.sessions.addresses.forget(now);
        let store = &self.store;
        // First uses that are still to be marked come before the end of sessions that have none.
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
    /// decides, which is the same for all nodes; a node whose own clock is behind keeps its entries until that clock is past them.
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

    /// Ends a batch of browser sessions whose cookie never came back: the visitor blocks cookies, and each attempt to sign in would
    /// leave a session behind.
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

/// Whether there may be more, after a pause for others.
async fn more(removed: u64) -> bool {
    if removed < BATCH.unsigned_abs() {
        return false;
    }
    sleep(PAUSE).await;
    true
}
