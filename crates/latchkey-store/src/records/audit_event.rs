//! Audit events: what happened to an account, as its owner sees it.

use crate::{Client, EndReason, UnixSeconds};
use latchkey_types::UserId;

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The account was created.
    SignedUp,
    /// A user signed in.
    SignedIn,
    /// A sign-in failed: the password was wrong, or it was right and the account is disabled.
    SignInFailed,
    /// A session was ended by its own client.
    SignedOut,
    /// A session was ended from another session.
    SessionEnded,
    /// All other sessions were ended from one session.
    OthersEnded,
    /// A refresh token was used again after its successor, and its session was ended.
    ReuseDetected,
    /// The password was changed.
    PasswordChanged,
    /// The email address was changed.
    EmailChanged,
    /// The role of the account was changed.
    RoleChanged,
    /// The account was disabled: no one can sign in to it any more.
    Disabled,
    /// The account was enabled: its user can sign in again.
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

    /// Returns the word for this kind in the database and in the log.
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

    /// Returns the kind that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Returns the sentence that the owner of the account sees.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::SignedUp => "Account created",
            Self::SignedIn => "Signed in",
            Self::SignInFailed => "Sign-in failed",
            Self::SignedOut => "Signed out",
            Self::SessionEnded => "Session ended",
            Self::OthersEnded => "All other sessions ended",
            Self::ReuseDetected => "Copied token detected; session ended",
            Self::PasswordChanged => "Password changed",
            Self::EmailChanged => "Email changed",
            Self::RoleChanged => "Role changed",
            Self::Disabled => "Account disabled",
            Self::Enabled => "Account enabled",
        }
    }

    /// Returns whether the owner should check the event.
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

/// An event to be written in the transaction of the change that it describes.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    /// The account.
    pub user: &'a UserId,
    /// The kind of event.
    pub kind: EventKind,
    /// The client that caused the event.
    pub client: &'a Client,
    /// When it happened.
    pub at: UnixSeconds,
}

/// An event, or several of one kind that share a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// The kind of event.
    pub kind: EventKind,
    /// When it happened; the last time if it happened more than once.
    pub at: UnixSeconds,
    /// How often it happened.
    pub count: i64,
    /// The client that caused the event.
    pub client: Client,
}
