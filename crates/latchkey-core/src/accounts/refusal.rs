//! Why something was not done.

use latchkey_store::{RetryAfter, StoreError};
use latchkey_types::{Field, FieldError, Problem};

use crate::passwords::Busy;
use crate::throttle::ThrottleError;

/// Why something was not done. Nothing was changed.
#[derive(Debug)]
pub enum Refusal {
    /// What was typed is outside the rules.
    Fields(Vec<FieldError>),
    /// Unknown name, wrong password, disabled account: nobody is told which.
    BadCredentials,
    /// None of the user's own sessions has this id, or it is over.
    NoSuchSession,
    /// Only somebody signed in can do this.
    NotSignedIn,
    /// Nobody can sign up here.
    SignupClosed,
    /// Too many guesses; try again after this many seconds.
    Throttled(RetryAfter),
    /// Too many passwords are being hashed.
    Busy,
    /// Who is asking cannot be told while the database is away.
    Unavailable,
    /// The database said no.
    Store(StoreError),
}

impl Refusal {
    /// One thing is wrong with one field.
    pub fn field(field: Field, problem: Problem) -> Self {
        Self::Fields(vec![FieldError { field, problem }])
    }

    /// Whether the name is taken, and nothing else is wrong.
    pub(super) fn is_taken(&self) -> bool {
        let taken = |error: &FieldError| error.problem == Problem::NameTaken;
        matches!(self, Self::Fields(errors) if errors.iter().all(taken))
    }
}

impl From<Busy> for Refusal {
    fn from(_: Busy) -> Self {
        Refusal::Busy
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error)
    }
}

impl From<ThrottleError> for Refusal {
    fn from(error: ThrottleError) -> Self {
        match error {
            ThrottleError::UsedUp(wait) => Self::Throttled(wait),
            ThrottleError::Store(error) => Self::Store(error),
        }
    }
}
