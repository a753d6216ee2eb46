//! Hears when the database has news.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::time::sleep;

/// The channel that the trigger in migrations/postgres/0002 tells.
const CHANNEL: &str = "latchkey_news";

/// Between two tries to connect. Meanwhile the news is read by the clock.
const PAUSE: Duration = Duration::from_secs(1);

/// Rings for each piece of news, for as long as the program runs.
pub async fn listen(options: &PgConnectOptions, changed: &Notify) {
    loop {
        if let Err(error) = hear(options, changed).await {
            tracing::debug!(%error, "not told of news; it is read five times a second all the same");
        }
        sleep(PAUSE).await;
    }
}

async fn hear(options: &PgConnectOptions, changed: &Notify) -> Result<(), sqlx::Error> {
    let one = PgPoolOptions::new().max_connections(1).acquire_timeout(super::PATIENCE);
    let mut listener = PgListener::connect_with(&one.connect_lazy_with(options.clone())).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // Told, or after a lost connection: something may have been missed.
        listener.try_recv().await?;
        changed.notify_one();
    }
}
