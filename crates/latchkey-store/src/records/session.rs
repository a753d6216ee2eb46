//! A session as a row of `sessions` holds it, and what is written when one begins or moves on.

use latchkey_types::UserId;

use crate::{Client, Counter, EndReason, Rate, Salt, SessionId, UnixSeconds};

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

/// A session to be begun.
pub struct NewSession<'a> {
    /// The token's `sid`.
    pub id: SessionId,
    /// Whose it is.
    pub user: &'a UserId,
    /// Who asked for it.
    pub client: &'a Client,
    /// Of its refresh tokens.
    pub salt: &'a Salt,
    /// Now.
    pub started_at: UnixSeconds,
    /// When it ends by itself, unless it is refreshed.
    pub expires_at: UnixSeconds,
    /// When it ends however often it is refreshed.
    pub ends_at: UnixSeconds,
    /// When its first access token expires.
    pub token_exp: UnixSeconds,
    /// The limit that the attempt at its password was charged to: it is refunded when the session begins.
    pub refund: Option<Refund<'a>>,
    /// Live sessions that the account may have: beyond it, the ones that were not used for longest end.
    pub live_limit: i64,
    /// The session in whose place it comes in the same browser, whoever that was: it ends.
    pub replaced: Option<SessionId>,
}

/// An attempt to be refunded.
#[derive(Clone, Copy)]
pub struct Refund<'a> {
    /// The key of its row in `throttles`.
    pub limit_key: &'a str,
    /// What it was charged at.
    pub rate: Rate,
}

/// How a session moves on from one refresh token to the next.
pub struct Rotation {
    /// Which session.
    pub id: SessionId,
    /// The counter that it moves on from.
    pub from: Counter,
    /// Now.
    pub now: UnixSeconds,
    /// When it ends by itself, unless it is refreshed again.
    pub expires_at: UnixSeconds,
    /// When all of its refreshes are there again.
    pub refreshes_until: UnixSeconds,
    /// When the access token expires that is issued now.
    pub token_exp: UnixSeconds,
}
