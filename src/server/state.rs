//! What every request needs.

use std::ops::Deref;
use std::sync::Arc;

use super::clock::Clock;
use super::config::Config;
use super::cookies::Cookies;
use super::devices::Devices;
use super::flash::FlashBox;
use super::metrics::Metrics;
use super::news::Cursor;
use super::passwords::Passwords;
use super::refresh_tokens::RefreshTokens;
use super::revocations::Revocations;
use super::session_events::EventStreams;
use super::sessions::FirstUses;
use super::stop::Stop;
use super::throttle::{Addresses, Budgets};
use super::tokens::AccessTokens;
use super::write_behind::WriteBehind;
use latchkey_store::Store;

/// Handed to every handler and, as a context, to every server function.
#[derive(Clone)]
pub struct AppState(Arc<Parts>);

/// The parts of the state.
pub struct Parts {
    /// The checked settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Issues and verifies access tokens.
    pub tokens: AccessTokens,
    /// Makes and verifies refresh tokens.
    pub refresh_tokens: RefreshTokens,
    /// Makes known devices and reads them.
    pub devices: Devices,
    /// Names budgets.
    pub budgets: Budgets,
    /// The budgets of addresses.
    pub addresses: Addresses,
    /// Which sessions have ended, in memory.
    pub revocations: Revocations,
    /// How many event streams are open.
    pub event_streams: EventStreams,
    /// How far the news was read.
    pub news: Cursor,
    /// Which pairs of tokens are durably marked as used.
    pub first_uses: FirstUses,
    /// What is written after the answer.
    pub write_behind: WriteBehind,
    /// Counts and times.
    pub metrics: Metrics,
    /// Whether the server is asked to stop.
    pub stop: Stop,
    /// Builds and reads cookies.
    pub cookies: Cookies,
    /// Seals and opens the flash cookie.
    pub flash: FlashBox,
}

impl AppState {
    /// Derives the rest from the settings.
    pub fn new(config: Config, store: Store, clock: Clock, passwords: Passwords) -> Self {
        // Budgets of guesses are not tokens: their names outlast a restore.
        let token_secrets = config.secrets.salted(store.key_salt());
        Self(Arc::new(Parts {
            tokens: AccessTokens::new(config.public_url.origin(), &token_secrets, config.jwt_alg, config.access_ttl),
            refresh_tokens: RefreshTokens::new(&token_secrets),
            devices: Devices::new(&token_secrets),
            budgets: Budgets::new(&config.secrets.current),
            addresses: Addresses::default(),
            revocations: Revocations::new(config.revocation_lag),
            event_streams: EventStreams::default(),
            news: Cursor::default(),
            first_uses: FirstUses::default(),
            write_behind: WriteBehind::default(),
            metrics: Metrics::new(),
            stop: Stop::default(),
            cookies: Cookies::new(&config.cookie_name, config.public_url.is_https()),
            flash: FlashBox::new(&token_secrets.current),
            config,
            store,
            clock,
            passwords,
        }))
    }
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
