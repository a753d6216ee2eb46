//! Keeps memory up to date with what other programs, and other nodes, have ended.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{interval, timeout};

use super::state::AppState;
use super::store::StoreError;

/// How often to look: an end ordered elsewhere shows here well within a second.
const EVERY: Duration = Duration::from_millis(200);

/// Longest wait for another call that is reading already.
const PATIENCE: Duration = Duration::from_secs(5);

/// Rows read at a time.
const BATCH: i64 = 1000;

/// The last piece of news that was read.
#[derive(Default)]
pub struct Cursor(Mutex<i64>);

/// Reads all the news there is. Of several calls at once one reads and the others wait for it.
///
/// # Errors
/// When the database cannot be used.
pub async fn catch_up(state: &AppState) -> Result<(), StoreError> {
    let mut seq = timeout(PATIENCE, state.news.0.lock()).await.map_err(|_| StoreError::slow())?;
    let now = state.clock.now();
    loop {
        let (news, last) = state.store.revocations_after(*seq, BATCH).await?;
        let all = last - *seq < BATCH;
        *seq = last;
        state.revocations.learn(&news, now);
        if all {
            break;
        }
    }
    state.revocations.heard(now);
    Ok(())
}

/// Catches up for as long as the program runs, and says in the log when that stops working and when it works again.
pub async fn follow(state: AppState) {
    let mut ticks = interval(EVERY);
    let mut away = false;
    loop {
        ticks.tick().await;
        match catch_up(&state).await {
            Ok(()) if away => {
                away = false;
                tracing::info!("the database answers again");
            }
            Err(error) if !away => {
                away = true;
                tracing::error!(%error, "no news from the database");
            }
            Ok(()) | Err(_) => {}
        }
    }
}
