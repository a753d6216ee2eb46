//! Why the rules refuse something: one type for all of them.

use latchkey_store::{RetryAfter, StoreError};
use latchkey_types::{Field, FieldError, Problem};

use crate::passwords::Busy;
use crate::sessions::{Denied, RefreshError};
use crate::throttle::ThrottleError;

/// Why something was refused. Nothing was changed.
#[derive(Debug)]
pub enum Refusal {
    /// The input breaks the rules of these fields.
    Fields(Vec<FieldError>),
    /// The name is unknown, the password is wrong, or the account is disabled. The error deliberately does not say which.
    BadCredentials,
    /// None of the user's live sessions has this id.
    NoSuchSession,
    /// The action needs a signed-in user.
    NotSignedIn,
    /// The access token is not one of ours, has expired, or its session has ended. The error deliberately does not say which.
    InvalidToken,
    /// The refresh token is not one of ours, or its session has ended.
    InvalidRefreshToken,
    /// Sign-up is closed.
    SignupClosed,
    /// There were too many attempts; try again after this many seconds.
    Throttled(RetryAfter),
    /// Too many passwords are being hashed.
    Busy,
    /// The database is unavailable, so the user who asks cannot be identified.
    Unavailable,
    /// The database failed.
    Store(StoreError),
}

impl Refusal {
    /// Returns a refusal because of one problem with one field.
    pub fn field(field: Field, problem: Problem) -> Self {
        Self::Fields(vec![FieldError { field, problem }])
    }

    /// Returns whether the only problem is that the name is taken.
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

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Invalid | Denied::Revoked => Self::InvalidToken,
            Denied::Unavailable(error) => Self::Store(error),
        }
    }
}

impl From<RefreshError> for Refusal {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Invalid | RefreshError::Ended(_) => Self::InvalidRefreshToken,
            RefreshError::Throttled(wait) => Self::Throttled(wait),
            RefreshError::Store(error) => Self::Store(error),
        }
    }
}
