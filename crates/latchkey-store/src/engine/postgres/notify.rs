//! Receives the notifications of new revocations.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::time::sleep;

/// The channel that the trigger in migrations/postgres/0002 notifies.
const CHANNEL: &str = "latchkey_news";

/// The time between two attempts to connect. In the meantime, revocations are read at regular intervals.
const PAUSE: Duration = Duration::from_secs(1);

/// Wakes `changed` for each notification, for as long as the program runs.
pub async fn listen(options: &PgConnectOptions, changed: &Notify) {
    loop {
        if let Err(error) = forward_notifications(options, changed).await {
            tracing::debug!(%error, "not listening for NOTIFY; revocations are still read five times a second");
        }
        sleep(PAUSE).await;
    }
}

async fn forward_notifications(options: &PgConnectOptions, changed: &Notify) -> Result<(), sqlx::Error> {
    let one = PgPoolOptions::new().max_connections(1).acquire_timeout(super::TIMEOUT);
    let mut listener = PgListener::connect_with(&one.connect_lazy_with(options.clone())).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // Returns on a notification, and after a lost connection, when notifications may have been missed.
        listener.try_recv().await?;
        changed.notify_one();
    }
}
