//! A page of the live sessions of a user.

use crate::{Session, SessionId};

/// The limit of a count that is only displayed: beyond it, sessions are not counted.
pub const COUNT_CAP: i64 = 1000;

/// A page of the live sessions of a user, newest first.
#[derive(Default)]
pub struct SessionPage {
    /// The sessions of this page.
    pub sessions: Vec<Session>,
    /// The session behind which this page begins; `None` on the first page.
    pub after: Option<SessionId>,
    /// The session behind which the next page begins, if there is a next page.
    pub older: Option<SessionId>,
    /// How many live sessions the user has.
    pub all: Counted,
    /// How many of them come before this page.
    pub before: Counted,
}

/// A number, or the information that it is more than [`COUNT_CAP`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted(Option<usize>);

impl Counted {
    /// Returns the number if it is known.
    pub const fn exactly(self) -> Option<usize> {
        self.0
    }

    pub(crate) fn of(number: i64) -> Self {
        Self(usize::try_from(number).ok().filter(|_| number <= COUNT_CAP))
    }
}
