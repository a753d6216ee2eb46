//! Sessions: one sign-in of one user in one client, from its beginning over every refresh to its end. Knows no
//! HTTP and no SQL.

mod client;
mod device;
mod end;
mod first_use;
mod id;
mod refresh;
pub mod refresh_rule;
mod verify;

pub use crate::server::sessions::client::{Client, ClientKind};
pub use crate::server::sessions::end::EndReason;
pub use crate::server::sessions::first_use::{EXACT_TO, FirstUses};
pub use crate::server::sessions::id::SessionId;
pub use crate::server::sessions::refresh::{RefreshError, refresh, revoke};
pub use crate::server::sessions::verify::{Denied, verify};

use super::accounts::Account;
use super::clock::UnixSeconds;
use super::events::{EventKind, NewEvent};
use super::log;
use super::refresh_tokens::{Counter, Salt};
use super::state::AppState;
use super::store::{Ended, Ending, NewSession, StoreError, Which};
use super::throttle::Guess;
use super::tokens::AccessToken;
use latchkey_types::UserId;

/// How long after the password was given sensitive changes do without it, in seconds.
pub const PROOF_LASTS: i64 = 600;

/// Live sessions of one account at most. A sign-in beyond it ends the one that was not used for longest.
pub const MAX_LIVE: i64 = 1000;

/// A session as the database has it.
#[derive(Clone)]
pub struct Session {
    /// The token's `sid`.
    pub id: SessionId,
    /// What it was begun by.
    pub client: Client,
    /// Of its refresh tokens.
    pub salt: Salt,
    /// The current refresh token's.
    pub counter: Counter,
    /// The highest counter whose pair of tokens a client has shown; `None` until the first pair comes back.
    pub used_counter: Option<Counter>,
    /// When the counter last moved, or its pair was last issued again while it was unused.
    pub rotated_at: UnixSeconds,
    /// When all of its refreshes are there again.
    pub refreshes_until: UnixSeconds,
    /// When it was begun.
    pub started_at: UnixSeconds,
    /// When a token of it was last seen, to the minute.
    pub last_used_at: UnixSeconds,
    /// When the password was last given in it.
    pub proved_at: UnixSeconds,
    /// When it ends by itself, unless it is refreshed.
    pub expires_at: UnixSeconds,
    /// When it ends however often it is refreshed.
    pub ends_at: UnixSeconds,
    /// The latest expiry of its access tokens.
    pub token_exp: UnixSeconds,
    /// Why it is over, if somebody ended it.
    pub ended: Option<EndReason>,
}

impl Session {
    /// Whether it is not over.
    pub const fn lives(&self, now: UnixSeconds) -> bool {
        self.ended.is_none() && now < self.expires_at
    }
}

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

/// Begins a session of an account whose password was just guessed right, against `hash`. In a browser it takes the place of
/// the one that was there: nothing planted before a sign-in lives on after it. `None` when the account was disabled
/// or got another password since.
///
/// # Errors
/// When the database cannot be used.
pub async fn begin(
    state: &AppState,
    account: &Account,
    hash: &str,
    guess: &Guess,
    client: &Client,
    replaced: Option<SessionId>,
) -> Result<Option<Tokens>, StoreError> {
    let draft = Draft::new(state, replaced);
    let session = NewSession {
        budget: Some(guess.budget()),
        ..draft.of(account, client)
    };
    let begun = state.store.insert_session(&session, hash).await?;
    Ok(begun.map(|revocations| {
        state.revocations.apply(&revocations);
        draft.issue(state, account)
    }))
}

/// Ends sessions of a user: on this node before it returns, on others within a second. Returns how many lived.
///
/// # Errors
/// When the database cannot be used; then none has ended.
pub async fn end(state: &AppState, user: &UserId, which: Which, reason: EndReason, by: &Client) -> Result<usize, StoreError> {
    let ending = ending(state, reason);
    let event = NewEvent {
        user,
        kind: match which {
            Which::AllBut(_) => EventKind::OthersEnded,
            Which::One(_) | Which::All => reason.into(),
        },
        client: by,
        at: ending.at,
    };
    let Ended { sessions, revocations } = state.store.end_sessions(which, &ending, &event).await?;
    state.revocations.apply(&revocations);
    if sessions > 0 {
        tracing::info!(target: log::AUDIT, user = %user, sessions, reason = reason.as_str(), "sessions ended");
    }
    Ok(sessions)
}

/// Sessions that end now, for a reason.
pub fn ending(state: &AppState, reason: EndReason) -> Ending {
    let at = state.clock.now();
    Ending {
        reason,
        at,
        tokens_until: at + state.tokens.life(),
    }
}

/// A session that is not in the database yet.
pub struct Draft {
    id: SessionId,
    salt: Salt,
    now: UnixSeconds,
    expires_at: UnixSeconds,
    ends_at: UnixSeconds,
    token_exp: UnixSeconds,
    replaced: Option<SessionId>,
}

impl Draft {
    /// A session that begins now, in place of the one that was there in the same browser.
    pub fn new(state: &AppState, replaced: Option<SessionId>) -> Self {
        let now = state.clock.now();
        let ends_at = now + state.config.session_max;
        let expires_at = ends_at.min(now + state.config.refresh_ttl);
        Self {
            id: SessionId::new(),
            salt: Salt::generate(),
            now,
            expires_at,
            ends_at,
            token_exp: expires_at.min(now + state.tokens.life()),
            replaced,
        }
    }

    /// What to write down.
    pub fn of<'a>(&'a self, account: &'a Account, client: &'a Client) -> NewSession<'a> {
        NewSession {
            id: self.id,
            user: &account.id,
            client,
            salt: &self.salt,
            started_at: self.now,
            expires_at: self.expires_at,
            ends_at: self.ends_at,
            token_exp: self.token_exp,
            budget: None,
            replaced: self.replaced,
        }
    }

    /// Its first tokens, once it is written down.
    pub fn issue(&self, state: &AppState, account: &Account) -> Tokens {
        let first = Issue {
            session: self.id,
            counter: 0,
            now: self.now,
            expires_at: self.expires_at,
        };
        issue(state, account, &self.salt, &first)
    }
}

/// Which tokens to issue.
pub struct Issue {
    /// Of which session.
    pub session: SessionId,
    /// Of which refresh.
    pub counter: Counter,
    /// Now.
    pub now: UnixSeconds,
    /// When the session ends unless it is refreshed: no token of it lives longer.
    pub expires_at: UnixSeconds,
}

/// The tokens of one counter. Made again they are as good: a new access token, the same refresh token.
fn issue(state: &AppState, account: &Account, salt: &Salt, issue: &Issue) -> Tokens {
    Tokens {
        access: state.tokens.issue(&account.user(), account.epoch, issue),
        refresh: state.refresh_tokens.make(issue.session, issue.counter, salt),
        refresh_life: issue.expires_at - issue.now,
        password_generation: account.password_generation,
    }
}
