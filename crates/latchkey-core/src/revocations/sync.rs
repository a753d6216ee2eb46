//! Keeps memory up to date with what other programs, and other nodes, have ended.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{interval, timeout};

use super::revocations::BATCH;
use super::state::AppState;
use latchkey_store::StoreError;

/// How often to look, told or not: an end ordered elsewhere shows here well within a second.
const EVERY: Duration = Duration::from_millis(200);

/// Longest wait for another call that is reading already.
const PATIENCE: Duration = Duration::from_secs(5);

/// The position up to which the news was read.
#[derive(Default)]
pub struct Cursor(Mutex<i64>);

/// Reads all the news there is. Of several calls at once one reads and the others wait for it.
///
/// # Errors
/// When the database cannot be used.
pub async fn catch_up(state: &AppState) -> Result<(), StoreError> {
    let mut position = timeout(PATIENCE, state.news.0.lock()).await.map_err(|_| StoreError::slow())?;
    let now = state.clock.now();
    let mut batch = Vec::new();
    let apply = |revocation| {
        batch.push(revocation);
        if batch.len() == BATCH {
            state.revocations.apply(&batch);
            batch.clear();
        }
    };
    *position = state.store.revocations_after(*position, apply).await?;
    state.revocations.apply(&batch);
    state.revocations.heard(now);
    Ok(())
}

/// Catches up for as long as the program runs, and says in the log when that stops working and when it works again.
pub async fn follow(state: AppState) {
    let mut ticks = interval(EVERY);
    let mut away = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = state.store.wait_for_change() => {}
        }
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
