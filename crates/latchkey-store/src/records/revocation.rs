//! A row of the table `revocations`, and how long it is kept.

use latchkey_types::UserId;

use crate::{SessionId, UnixSeconds};

/// What a revocation makes invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// Every access token of this session.
    Session(SessionId),
    /// The access tokens of this user that are of an earlier epoch.
    User(UserId, i64),
}

/// A row of the table `revocations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What it makes invalid.
    pub revoked: Revoked,
    /// When the row was written.
    pub written_at: UnixSeconds,
    /// The latest expiry of the access tokens that it revokes.
    pub expires_at: UnixSeconds,
}

impl Revocation {
    /// Creates a revocation of all access tokens of a user that are of an earlier epoch. None of them lives longer than
    /// [`MAX_TOKEN_LIFE`].
    pub const fn of_user(user: UserId, epoch: i64, written_at: UnixSeconds) -> Self {
        Self {
            revoked: Revoked::User(user, epoch),
            written_at,
            expires_at: written_at + MAX_TOKEN_LIFE,
        }
    }
}

/// The longest life of an access token, in seconds: the upper bound of `LATCHKEY_ACCESS_TTL`.
pub const MAX_TOKEN_LIFE: i64 = 24 * 3600;

/// The limits that must have passed before a revocation may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// A time that has certainly passed.
    pub now: UnixSeconds,
    /// The seconds of real time that the process is known to have run.
    pub uptime: i64,
}

impl Horizon {
    /// Returns whether a revocation may be deleted, given when it was written and when the tokens that it revokes expire.
    pub const fn is_past(&self, written_at: UnixSeconds, expires_at: UnixSeconds) -> bool {
        expires_at <= self.now && expires_at - written_at <= self.uptime
    }
}
