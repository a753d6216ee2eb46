//! Sessions. A session is one sign-in of one user in one client: it begins, is refreshed any number of times, and ends. Knows no
//! HTTP and no SQL.

mod begin;
mod end;
mod first_use;
mod refresh;
pub mod refresh_rule;
mod verify;
pub mod write_behind;

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

/// Seconds after a password check during which sensitive changes do not ask for the password again.
pub const PROOF_LASTS: i64 = 600;

/// Most live sessions of one account. A sign-in beyond this limit ends the session that has been unused for longest.
pub const MAX_LIVE: i64 = 1000;

/// The pair of tokens that a client is given.
pub struct Tokens {
    /// The short-lived token that the client sends with each request.
    pub access: AccessToken,
    /// The long-lived token that the client exchanges for the next pair.
    pub refresh: String,
    /// How long the refresh token lives, in seconds.
    pub refresh_life: i64,
    /// The generation of the account's password, for the cookie of a known device.
    pub password_generation: i64,
}

/// How long sessions last, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Life of a session that is not refreshed.
    pub refresh_ttl: i64,
    /// Longest life of a session, however often it is refreshed.
    pub session_max: i64,
    /// The grace after a rotation: how long the predecessor of a refresh token gets the same successor again although that successor
    /// is already in use.
    pub refresh_grace: i64,
}

/// Begins sessions, refreshes and verifies their tokens, and ends them.
#[derive(Clone)]
pub struct Sessions {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
    /// Issues and verifies access tokens.
    pub tokens: Arc<AccessTokens>,
    /// Makes and verifies refresh tokens.
    pub refresh_tokens: Arc<RefreshTokens>,
    /// The sessions that have ended, in memory.
    pub revocations: Arc<Revocations>,
    /// Reads the revocations that other nodes have written.
    pub sync: RevocationSync,
    /// The pairs of tokens that are durably marked as used.
    pub first_uses: Arc<FirstUses>,
    /// What is written after the response.
    pub write_behind: Arc<WriteBehind>,
    /// The limits of addresses.
    pub addresses: Arc<Addresses>,
    /// Counts sign-ins and refreshes.
    pub metrics: Arc<Metrics>,
}

impl Sessions {
    /// Issues the pair of tokens of one counter. Issuing it again returns a new access token and the same refresh token; both pairs
    /// are valid.
    fn issue(&self, account: &Account, salt: &Salt, issue: &TokenGrant) -> Tokens {
        Tokens {
            access: self.tokens.issue(&account.user(), account.epoch, issue),
            refresh: self.refresh_tokens.make(issue.session, issue.counter, salt),
            refresh_life: issue.expires_at - issue.now,
            password_generation: account.password_generation,
        }
    }
}
