//! What happened to an account: the trail that its owner sees.

use crate::{Client, EndReason, UnixSeconds};
use latchkey_types::UserId;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The account was made.
    SignedUp,
    /// Somebody signed in.
    SignedIn,
    /// Somebody gave a wrong password, or the right one of a disabled account.
    SignInFailed,
    /// A session was ended by its own client.
    SignedOut,
    /// A session was ended from another one.
    SessionEnded,
    /// All other sessions were.
    OthersEnded,
    /// A refresh token was used again after its successor, and its session ended.
    ReuseDetected,
    /// The password was changed.
    PasswordChanged,
    /// The email address was changed.
    EmailChanged,
    /// What the account may do was changed.
    RoleChanged,
    /// Nobody can sign in to it any more.
    Disabled,
    /// Its user can sign in again.
    Enabled,
}

impl EventKind {
    const ALL: [Self; 12] = [
        Self::SignedUp,
        Self::SignedIn,
        Self::SignInFailed,
        Self::SignedOut,
        Self::SessionEnded,
        Self::OthersEnded,
        Self::ReuseDetected,
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::RoleChanged,
        Self::Disabled,
        Self::Enabled,
    ];

    /// The word in the database and in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedUp => "signed_up",
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignedOut => "signed_out",
            Self::SessionEnded => "session_ended",
            Self::OthersEnded => "others_ended",
            Self::ReuseDetected => "reuse_detected",
            Self::PasswordChanged => "password_changed",
            Self::EmailChanged => "email_changed",
            Self::RoleChanged => "role_changed",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
        }
    }

    /// The kind of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// What the owner of the account is told.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::SignedUp => "Account created",
            Self::SignedIn => "Signed in",
            Self::SignInFailed => "Wrong password",
            Self::SignedOut => "Signed out",
            Self::SessionEnded => "A session was ended",
            Self::OthersEnded => "All other sessions were ended",
            Self::ReuseDetected => "A used token was used again; its session was ended",
            Self::PasswordChanged => "Password changed",
            Self::EmailChanged => "Email changed",
            Self::RoleChanged => "Role changed",
            Self::Disabled => "Account disabled",
            Self::Enabled => "Account enabled",
        }
    }

    /// Whether somebody should look twice at it.
    pub const fn is_warning(self) -> bool {
        matches!(self, Self::SignInFailed | Self::ReuseDetected)
    }
}

impl From<EndReason> for EventKind {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::SignedOut | EndReason::Replaced | EndReason::Revoked => Self::SignedOut,
            EndReason::EndedElsewhere
            | EndReason::Operator
            | EndReason::Expired
            | EndReason::Removed
            | EndReason::SessionLimit
            | EndReason::Unconfirmed => Self::SessionEnded,
            EndReason::PasswordChanged => Self::PasswordChanged,
            EndReason::Disabled => Self::Disabled,
            EndReason::Reuse => Self::ReuseDetected,
        }
    }
}

/// One thing that happened, to be written down with the change itself.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    /// To whose account.
    pub user: &'a UserId,
    /// What.
    pub kind: EventKind,
    /// Who did it.
    pub client: &'a Client,
    /// When.
    pub at: UnixSeconds,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// What.
    pub kind: EventKind,
    /// When; the last time, of several.
    pub at: UnixSeconds,
    /// How often.
    pub count: i64,
    /// Who did it.
    pub client: Client,
}
