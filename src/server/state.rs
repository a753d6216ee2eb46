//! What every request needs.

use std::ops::Deref;
use std::sync::Arc;

use super::clock::Clock;
use super::config::Config;
use super::cookies::Cookies;
use super::flash::FlashBox;
use super::passwords::Passwords;
use super::store::Store;
use super::tokens::AccessTokens;

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
    /// Builds and reads cookies.
    pub cookies: Cookies,
    /// Seals and opens the flash cookie.
    pub flash: FlashBox,
}

impl AppState {
    /// Derives the rest from the settings.
    pub fn new(config: Config, store: Store, clock: Clock, passwords: Passwords) -> Self {
        Self(Arc::new(Parts {
            tokens: AccessTokens::new(config.public_url.origin(), &config.secret, config.access_ttl),
            cookies: Cookies::new(config.public_url.is_https()),
            flash: FlashBox::new(&config.secret),
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
