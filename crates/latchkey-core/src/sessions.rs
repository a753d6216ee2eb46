//! Sessions: one sign-in of one user in one client, from its beginning over every refresh to its end. Knows no
//! HTTP and no SQL.

mod first_use;
mod refresh;
pub mod refresh_rule;
mod verify;

pub use first_use::{EXACT_TO, FirstUses};
pub use latchkey_store::{Client, ClientKind, EndReason, SessionId};
pub use refresh::{RefreshError, refresh, revoke};
pub use verify::{Denied, verify};

use super::log;
use super::state::AppState;
use super::throttle::Guess;
use super::tokens::AccessToken;
use latchkey_store::{Account, Counter, Ended, Ending, EventKind, NewEvent, NewSession, Salt, SessionScope, StoreError, UnixSeconds};
use latchkey_types::UserId;

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
    let draft = PendingSession::new(state, replaced);
    let session = NewSession {
        refund: Some(guess.refund()),
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
pub async fn end(state: &AppState, user: &UserId, which: SessionScope, reason: EndReason, by: &Client) -> Result<usize, StoreError> {
    let ending = ending(state, reason);
    let event = NewEvent {
        user,
        kind: match which {
            SessionScope::AllBut(_) => EventKind::OthersEnded,
            SessionScope::One(_) | SessionScope::All => reason.into(),
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
pub struct PendingSession {
    id: SessionId,
    salt: Salt,
    now: UnixSeconds,
    expires_at: UnixSeconds,
    ends_at: UnixSeconds,
    token_exp: UnixSeconds,
    replaced: Option<SessionId>,
}

impl PendingSession {
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
            refund: None,
            live_limit: MAX_LIVE,
            replaced: self.replaced,
        }
    }

    /// Its first tokens, once it is written down.
    pub fn issue(&self, state: &AppState, account: &Account) -> Tokens {
        let first = TokenGrant {
            session: self.id,
            counter: 0,
            now: self.now,
            expires_at: self.expires_at,
        };
        issue(state, account, &self.salt, &first)
    }
}

/// Which tokens to issue.
pub struct TokenGrant {
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
fn issue(state: &AppState, account: &Account, salt: &Salt, issue: &TokenGrant) -> Tokens {
    Tokens {
        access: state.tokens.issue(&account.user(), account.epoch, issue),
        refresh: state.refresh_tokens.make(issue.session, issue.counter, salt),
        refresh_life: issue.expires_at - issue.now,
        password_generation: account.password_generation,
    }
}
