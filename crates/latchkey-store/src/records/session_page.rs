//! A page of the live sessions of a user.

use crate::{Session, SessionId};

/// Sessions counted at most where a page only says how many there are.
pub const COUNT_CAP: i64 = 1000;

/// A page of the live sessions of a user, the newest first.
#[derive(Default)]
pub struct SessionPage {
    /// Those of this page.
    pub sessions: Vec<Session>,
    /// Where the page begins: behind this one; nothing on the first page.
    pub after: Option<SessionId>,
    /// Where the next page begins, if there is one.
    pub older: Option<SessionId>,
    /// How many there are.
    pub all: Counted,
    /// How many of them come before this page.
    pub before: Counted,
}

/// How many there are, or that there are more than [`COUNT_CAP`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted(Option<usize>);

impl Counted {
    /// The number, where it is known.
    pub const fn exactly(self) -> Option<usize> {
        self.0
    }

    pub(crate) fn of(number: i64) -> Self {
        Self(usize::try_from(number).ok().filter(|_| number <= COUNT_CAP))
    }
}
