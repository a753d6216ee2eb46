//! Removes what is over, in the background and in small batches, so that nobody waits for it.

use std::time::Duration;

use tokio::time::{interval, sleep};

use super::revocations::Horizon;
use super::state::AppState;
use super::store::StoreError;

/// How often.
const EVERY: Duration = Duration::from_mins(1);

/// Rows removed in one change: so few that the pauses are longer than the changes.
const BATCH: i64 = 100;

/// Between two batches others have their turn.
const PAUSE: Duration = Duration::from_millis(20);

const DAY: i64 = 24 * 3600;

/// How long the row of a session stays after its end, in seconds: its tokens are told why.
const SESSIONS_KEPT: i64 = 7 * DAY;

/// How long events stay, in seconds.
pub const EVENTS_KEPT: i64 = 90 * DAY;

/// Tidies up for as long as the program runs.
pub async fn keep_tidy(state: AppState) {
    let mut ticks = interval(EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = tidy(&state).await {
            tracing::warn!(%error, "housekeeping waits for the database");
        }
    }
}

/// Tidies up once.
///
/// # Errors
/// When the database cannot be used.
pub async fn tidy(state: &AppState) -> Result<(), StoreError> {
    let now = state.clock.now();
    state.tokens.forget(now);
    state.notes.forget(now, state.tokens.life());
    state.addresses.forget(now);
    let store = &state.store;
    while more(store.remove_sessions_over_before(now - SESSIONS_KEPT, BATCH).await?).await {}
    delete_revocations(state).await?;
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
async fn delete_revocations(state: &AppState) -> Result<(), StoreError> {
    let horizon = match state.store.clock().await? {
        Some(reported) => Horizon {
            now: state.clock.of_database(reported).min(state.clock.now()),
            uptime: i64::MAX,
        },
        None => state.revocations.cautious_clock.read(&state.clock),
    };
    while more(state.store.remove_revocations(&horizon, BATCH).await?).await {}
    state.revocations.forget(&horizon);
    Ok(())
}

/// Whether there may be more, after a pause for others.
async fn more(removed: u64) -> bool {
    if removed < BATCH.unsigned_abs() {
        return false;
    }
    sleep(PAUSE).await;
    true
}
