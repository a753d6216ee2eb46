//! What every request needs.

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

/// Handed to every handler and, as a context, to every server function.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// The parts of the state.
pub struct Inner {
    /// The checked settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Makes accounts, signs in to them and changes them.
    pub accounts: Accounts,
    /// Begins sessions, refreshes and verifies their tokens, and ends them.
    pub sessions: Sessions,
    /// Makes known devices and reads them.
    pub devices: Devices,
    /// Writes what is written after the answer.
    pub writer: Writer,
    /// Removes what is over.
    pub housekeeping: Housekeeping,
    /// How many event streams are open.
    pub event_streams: EventStreams,
    /// Counts and times.
    pub metrics: Metrics,
    /// Whether the server is asked to stop.
    pub stop: CancellationToken,
    /// Builds and reads cookies.
    pub cookies: Cookies,
    /// Seals and opens the flash cookie.
    pub flash: FlashBox,
}

impl AppState {
    /// Derives the rest from the settings.
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
