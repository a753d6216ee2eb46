//! Which sessions end, why and when, and what that came to.

use crate::{EndReason, Revocation, SessionId, UnixSeconds};

/// Which sessions of a user to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionScope {
    /// This one.
    One(SessionId),
    /// All but this one.
    AllBut(SessionId),
    /// All.
    All,
}

/// Why and when sessions end.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Why.
    pub reason: EndReason,
    /// Now.
    pub at: UnixSeconds,
    /// The latest expiry of an access token that is issued now. A revocation is kept until then, also when the session's own
    /// tokens seem to have expired: the clock may be wrong.
    pub tokens_until: UnixSeconds,
}

/// What an end came to.
#[derive(Debug, Default)]
pub struct Ended {
    /// How many live sessions ended; more than [`COUNT_CAP`](crate::COUNT_CAP) are not counted.
    pub sessions: usize,
    /// What was written for every node to know.
    pub revocations: Vec<Revocation>,
}
