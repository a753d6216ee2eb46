//! Sessions: one sign-in of one user in one client, from its beginning over every refresh to its end. Knows no
//! HTTP and no SQL.

mod begin;
mod end;
mod first_use;
mod refresh;
pub mod refresh_rule;
mod verify;
pub mod write_behind;

pub use begin::PendingSession;
pub use first_use::{EXACT_TO, FirstUses};
pub use refresh::RefreshError;
pub use verify::Denied;

use super::tokens::AccessToken;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::refresh_tokens::RefreshTokens;
use crate::revocations::Revocations;
use crate::revocations::sync::RevocationSync;
use crate::sessions::write_behind::WriteBehind;
use crate::throttle::Addresses;
use crate::tokens::{AccessTokens, TokenGrant};
use latchkey_store::{Account, Salt, Store};
use std::sync::Arc;

/// How long after the password was given sensitive changes do without it, in seconds.
pub const PROOF_LASTS: i64 = 600;

/// Live sessions of one account at most. A sign-in beyond it ends the one that was not used for longest.
pub const MAX_LIVE: i64 = 1000;

/// What a client is given: the token to show and the one to get the next two with.
pub struct Tokens {
    /// Short-lived, shown with each request.
    pub access: AccessToken,
    /// Long-lived, shown to get the next pair.
    pub refresh: String,
    /// How long the refresh token lives, in seconds.
    pub refresh_life: i64,
    /// The generation of the account's password, for the cookie of a known device.
    pub password_generation: i64,
}

/// How long sessions last, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Life of a session that is not used.
    pub refresh_ttl: i64,
    /// Longest life of a session.
    pub session_max: i64,
    /// How long the predecessor of a refresh token gets the same successor although that one is in use.
    pub refresh_grace: i64,
}

/// Begins sessions, refreshes and verifies their tokens, and ends them.
#[derive(Clone)]
pub struct Sessions {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
    /// Issues and verifies access tokens.
    pub tokens: Arc<AccessTokens>,
    /// Makes and verifies refresh tokens.
    pub refresh_tokens: Arc<RefreshTokens>,
    /// Which sessions have ended, in memory.
    pub revocations: Arc<Revocations>,
    /// Reads what other nodes have ended.
    pub sync: RevocationSync,
    /// Which pairs of tokens are durably marked as used.
    pub first_uses: Arc<FirstUses>,
    /// What is written after the answer.
    pub write_behind: Arc<WriteBehind>,
    /// The limits of addresses.
    pub addresses: Arc<Addresses>,
    /// Counts what happens.
    pub metrics: Arc<Metrics>,
}

impl Sessions {
    /// The tokens of one counter. Made again they are as good: a new access token, the same refresh token.
    fn issue(&self, account: &Account, salt: &Salt, issue: &TokenGrant) -> Tokens {
        Tokens {
            access: self.tokens.issue(&account.user(), account.epoch, issue),
            refresh: self.refresh_tokens.make(issue.session, issue.counter, salt),
            refresh_life: issue.expires_at - issue.now,
            password_generation: account.password_generation,
        }
    }
}
