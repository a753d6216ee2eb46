//! Which sessions end, why and when, and the result.

use crate::{EndReason, Revocation, SessionId, UnixSeconds};

/// Which sessions of a user to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionScope {
    /// The given session.
    One(SessionId),
    /// All sessions except the given one.
    AllBut(SessionId),
    /// All sessions.
    All,
}

/// Why and when sessions end.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// The reason.
    pub reason: EndReason,
    /// The current time.
    pub at: UnixSeconds,
    /// The latest expiry of an access token issued now. A revocation is kept until then even if the session's own tokens seem to
    /// have expired, because the clock may be wrong.
    pub tokens_until: UnixSeconds,
}

/// The result of ending sessions.
#[derive(Debug, Default)]
pub struct Ended {
    /// How many live sessions ended, counted up to [`COUNT_CAP`](crate::COUNT_CAP).
    pub sessions: usize,
    /// The revocations that were written, for every node to apply.
    pub revocations: Vec<Revocation>,
}
