//! Every rule with the services that it uses, made from the settings.

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

/// What the rules depend on.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Issuer and audience of tokens: the public URL.
    pub issuer: String,
    /// The host of the public URL.
    pub host: String,
    /// Everything that signs is derived from the current one.
    pub secrets: Secrets,
    /// How access tokens are signed.
    pub algorithm: Algorithm,
    /// Life of an access token, in seconds.
    pub access_ttl: i64,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
    /// How long access tokens count without contact to the database, in seconds.
    pub revocation_lag: i64,
    /// Whether people can make accounts themselves.
    pub signup_open: bool,
}

/// The services.
pub struct Services {
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
}

impl Services {
    /// Derives the keys and puts the services together.
    pub fn new(rules: &Rules, store: &Store, clock: &Clock, passwords: Passwords) -> Self {
        // The keys of limits are not keys of tokens: they outlast a restore.
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
