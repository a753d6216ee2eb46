//! Removes what is over, in the background and in small batches, so that nobody waits for it.

use std::time::Duration;

use tokio::time::{interval, sleep};

use super::sessions;
use super::state::AppState;
use super::write_behind;
use latchkey_store::{EndReason, Horizon, StoreError};

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
    state.first_uses.forget(now, state.tokens.life());
    state.addresses.forget(now);
    let store = &state.store;
    // First uses that are still to be marked come before the end of sessions that have none.
    write_behind::write_unmarked(state).await?;
    while more(end_unconfirmed(state).await?).await {}
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

/// Ends a batch of browser sessions whose cookie never came back: the visitor blocks cookies, and each attempt to sign in would
/// leave a session behind.
async fn end_unconfirmed(state: &AppState) -> Result<u64, StoreError> {
    let ending = sessions::ending(state, EndReason::Unconfirmed);
    let ended = state
        .store
        .end_unconfirmed_sessions(ending.at - UNCONFIRMED_FOR, &ending, BATCH)
        .await?;
    state.revocations.apply(&ended);
    Ok(ended.len() as u64)
}

/// Whether there may be more, after a pause for others.
async fn more(removed: u64) -> bool {
    if removed < BATCH.unsigned_abs() {
        return false;
    }
    sleep(PAUSE).await;
    true
}
