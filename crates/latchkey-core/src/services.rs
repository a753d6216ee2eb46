//! Builds all services from the settings.

use std::sync::Arc;

use latchkey_store::Store;

use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::devices::Devices;
use crate::housekeeping::Housekeeping;
use crate::passwords::Passwords;
use crate::refresh_tokens::RefreshTokens;
use crate::revocations::Revocations;
use crate::revocations::sync::RevocationSync;
use crate::secret::Secrets;
use crate::sessions::write_behind::Writer;
use crate::sessions::{Lifetimes, Sessions};
use crate::throttle::{LimitKeys, Throttle};
use crate::tokens::{AccessTokens, Algorithm};

/// The settings that the services are built from.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Issuer and audience of tokens: the public URL.
    pub issuer: String,
    /// The host of the public URL.
    pub host: String,
    /// The secrets. Every signing key is derived from the current one.
    pub secrets: Secrets,
    /// The algorithm that signs access tokens.
    pub algorithm: Algorithm,
    /// Life of an access token, in seconds.
    pub access_ttl: i64,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
    /// How long access tokens are accepted without contact to the database, in seconds.
    pub revocation_lag: i64,
    /// Whether sign-up is open, so that people can create accounts themselves.
    pub signup_open: bool,
}

/// All services of the application.
pub struct Services {
    /// Creates accounts, signs in to them and changes them.
    pub accounts: Accounts,
    /// Begins sessions, refreshes and verifies their tokens, and ends them.
    pub sessions: Sessions,
    /// Makes and reads the cookie of known devices.
    pub devices: Devices,
    /// Writes in the background what no response waits for.
    pub writer: Writer,
    /// Removes expired data.
    pub housekeeping: Housekeeping,
}

impl Services {
    /// Derives the keys and builds the services.
    pub fn new(rules: &Rules, store: &Store, clock: &Clock, passwords: Passwords) -> Self {
        // Only the keys of tokens change when a backup is restored. The keys of limits are derived from the unsalted secret and stay.
        let token_secrets = rules.secrets.salted(store.key_salt());
        let revocations = Arc::new(Revocations::new(rules.revocation_lag));
        let throttle = Throttle {
            store: store.clone(),
            clock: clock.clone(),
            limit_keys: Arc::new(LimitKeys::new(&rules.secrets.current)),
            addresses: Arc::default(),
        };
        let sessions = Sessions {
            store: store.clone(),
            clock: clock.clone(),
            lifetimes: rules.lifetimes,
            tokens: Arc::new(AccessTokens::new(&rules.issuer, &token_secrets, rules.algorithm, rules.access_ttl)),
            refresh_tokens: Arc::new(RefreshTokens::new(&token_secrets)),
            sync: RevocationSync::new(store.clone(), clock.clone(), Arc::clone(&revocations)),
            revocations,
            first_uses: Arc::default(),
            write_behind: Arc::default(),
            addresses: Arc::clone(&throttle.addresses),
            metrics: Arc::default(),
        };
        let writer = Writer {
            store: store.clone(),
            clock: clock.clone(),
            write_behind: Arc::clone(&sessions.write_behind),
            first_uses: Arc::clone(&sessions.first_uses),
        };
        Self {
            devices: Devices::new(&token_secrets),
            housekeeping: Housekeeping {
                store: store.clone(),
                clock: clock.clone(),
                sessions: sessions.clone(),
                writer: writer.clone(),
            },
            writer,
            accounts: Accounts {
                store: store.clone(),
                clock: clock.clone(),
                passwords,
                sessions: sessions.clone(),
                throttle,
                signup_open: rules.signup_open,
                site_host: rules.host.as_str().into(),
            },
            sessions,
        }
    }
}
