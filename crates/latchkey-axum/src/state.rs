//! The shared state of the application.

use std::ops::Deref;
use std::sync::Arc;

use super::config::Config;
use super::cookies::Cookies;
use super::flash::FlashBox;
use super::metrics::registry::Metrics;
use crate::session_stream::quota::EventStreams;
use latchkey_core::Services;
use latchkey_core::accounts::Accounts;
use latchkey_core::clock::Clock;
use latchkey_core::devices::Devices;
use latchkey_core::housekeeping::Housekeeping;
use latchkey_core::passwords::Passwords;
use latchkey_core::sessions::Sessions;
use latchkey_core::sessions::write_behind::Writer;
use latchkey_store::Store;
use tokio_util::sync::CancellationToken;

/// The shared state. Handlers get it from the router, server functions from the context.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// The fields of [`AppState`].
pub struct Inner {
    /// The checked settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Creates and changes accounts, and signs in to them.
    pub accounts: Accounts,
    /// Starts and ends sessions, and refreshes and verifies their tokens.
    pub sessions: Sessions,
    /// Creates and reads the device cookies of known browsers.
    pub devices: Devices,
    /// Writes data that requests leave to be written after their response.
    pub writer: Writer,
    /// Removes expired data.
    pub housekeeping: Housekeeping,
    /// The limit of open event streams.
    pub event_streams: EventStreams,
    /// Counters and timings for Prometheus.
    pub metrics: Metrics,
    /// Cancelled when the server is asked to stop.
    pub stop: CancellationToken,
    /// Builds and reads cookies.
    pub cookies: Cookies,
    /// Seals and opens the flash cookie.
    pub flash: FlashBox,
}

impl AppState {
    /// Builds the state from the settings.
    pub fn new(config: Config, store: Store, clock: Clock, passwords: Passwords) -> Self {
        let Services {
            accounts,
            sessions,
            devices,
            writer,
            housekeeping,
        } = Services::new(&config.rules(), &store, &clock, passwords);
        Self(Arc::new(Inner {
            event_streams: EventStreams::default(),
            metrics: Metrics::new(&sessions.metrics),
            stop: CancellationToken::default(),
            cookies: Cookies::new(&config.cookie_name, config.public_url.is_https()),
            flash: FlashBox::new(&config.secrets.salted(store.key_salt()).current),
            accounts,
            sessions,
            devices,
            writer,
            housekeeping,
            config,
            store,
            clock,
        }))
    }
}

impl Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
