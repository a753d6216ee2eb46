//! A session as a row of `sessions` holds it, and the data to begin or refresh one.

use crate::{Client, Counter, EndReason, Rate, Salt, SessionId, UnixSeconds};

/// A session as the database holds it.
#[derive(Clone)]
pub struct Session {
    /// The `sid` claim of its tokens.
    pub id: SessionId,
    /// The client that began it.
    pub client: Client,
    /// The salt of its refresh tokens.
    pub salt: Salt,
    /// The counter of the current refresh token.
    pub counter: Counter,
    /// The highest counter whose token pair a client has presented; `None` until the first pair is presented.
    pub used_counter: Option<Counter>,
    /// When the counter last moved, or when its unused token pair was last issued again.
    pub rotated_at: UnixSeconds,
    /// When its refresh limit is full again.
    pub refreshes_until: UnixSeconds,
    /// When it began.
    pub started_at: UnixSeconds,
    /// When one of its tokens was last presented, to the minute.
    pub last_used_at: UnixSeconds,
    /// When the password was last entered in it.
    pub proved_at: UnixSeconds,
    /// When it expires, unless it is refreshed.
    pub expires_at: UnixSeconds,
    /// When it ends however often it is refreshed.
    pub ends_at: UnixSeconds,
    /// The latest expiry of its access tokens.
    pub token_exp: UnixSeconds,
    /// Why it was ended, if it was; expiry is not recorded here.
    pub ended: Option<EndReason>,
}

impl Session {
    /// Returns whether it is live: neither ended nor expired.
    pub const fn lives(&self, now: UnixSeconds) -> bool {
        self.ended.is_none() && now < self.expires_at
    }
}

/// A session that begins: what its row will hold, whoever it belongs to.
pub struct NewSession {
    /// The `sid` claim of its tokens.
    pub id: SessionId,
    /// The salt of its refresh tokens.
    pub salt: Salt,
    /// The current time.
    pub started_at: UnixSeconds,
    /// When it expires, unless it is refreshed.
    pub expires_at: UnixSeconds,
    /// When it ends however often it is refreshed.
    pub ends_at: UnixSeconds,
    /// When its first access token expires.
    pub token_exp: UnixSeconds,
    /// How many live sessions the account may have. Beyond that, the sessions that have been unused for longest end.
    pub live_limit: i64,
    /// The session of the same browser that this one replaces, whichever user it belongs to; it ends.
    pub replaced: Option<SessionId>,
}

/// An attempt to refund.
#[derive(Clone, Copy)]
pub struct Refund<'a> {
    /// The key of its row in `throttles`.
    pub limit_key: &'a str,
    /// The rate at which it was charged.
    pub rate: Rate,
}

/// The move of a session from one refresh token to the next.
pub struct Rotation {
    /// The session.
    pub id: SessionId,
    /// The counter before the move.
    pub from: Counter,
    /// The current time.
    pub now: UnixSeconds,
    /// When the session expires, unless it is refreshed again.
    pub expires_at: UnixSeconds,
    /// When its refresh limit is full again.
    pub refreshes_until: UnixSeconds,
    /// When the access token expires that is issued now.
    pub token_exp: UnixSeconds,
}
