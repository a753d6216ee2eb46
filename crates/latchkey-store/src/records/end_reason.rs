//! Why a session ended.

/// The reason for the end of a session. It is stored with the end and shown on the next sign-in page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Its user signed out.
    SignedOut,
    /// A new sign-in in the same browser replaced it.
    Replaced,
    /// Its user ended it from another session.
    EndedElsewhere,
    /// The password was changed.
    PasswordChanged,
    /// The account was disabled.
    Disabled,
    /// The operator ended it.
    Operator,
    /// A refresh token was used again after its successor, so two parties hold it (RFC 9700 section 4.14.2).
    Reuse,
    /// A client revoked its token (RFC 7009).
    Revoked,
    /// The account was removed.
    Removed,
    /// The account had more sessions than allowed, and this one had been unused for longest.
    SessionLimit,
    /// It began in a browser that never sent its cookie back.
    Unconfirmed,
    /// It was unused for too long or reached its maximum age. This reason is not stored, because the times of the session show
    /// it.
    Expired,
}

impl EndReason {
    const WRITTEN: [Self; 11] = [
        Self::SignedOut,
        Self::Replaced,
        Self::EndedElsewhere,
        Self::PasswordChanged,
        Self::Disabled,
        Self::Operator,
        Self::Reuse,
        Self::Revoked,
        Self::Removed,
        Self::SessionLimit,
        Self::Unconfirmed,
    ];

    /// Returns the word for this reason in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Replaced => "replaced",
            Self::EndedElsewhere => "ended_elsewhere",
            Self::PasswordChanged => "password_changed",
            Self::Disabled => "disabled",
            Self::Operator => "operator",
            Self::Reuse => "reuse",
            Self::Revoked => "revoked",
            Self::Removed => "removed",
            Self::SessionLimit => "session_limit",
            Self::Unconfirmed => "unconfirmed",
            Self::Expired => "expired",
        }
    }

    /// Returns the sentence for the next sign-in page, or `None` if the person knows already.
    pub const fn sentence(self) -> Option<&'static str> {
        match self {
            Self::SignedOut | Self::Replaced | Self::Removed | Self::Unconfirmed => None,
            Self::EndedElsewhere => Some("This session was ended from another of your devices."),
            Self::PasswordChanged => Some("The password of this account was changed. Sign in with the new password."),
            Self::Disabled => Some("This account is disabled. Ask the operator of this site."),
            Self::Operator => Some("The operator of this site ended this session. Sign in again to continue."),
            Self::Reuse => Some(
                "We ended this session to protect you: an old copy of its token was used. If this happens again, change your password.",
            ),
            Self::Revoked => Some("A program revoked the token of this session. Sign in again to continue."),
            Self::SessionLimit => {
                Some("This account had too many sessions, so we ended this one, which was unused for longest. Sign in again to continue.")
            }
            Self::Expired => Some("Your session has expired. Sign in again to continue."),
        }
    }

    /// Returns the reason that a stored word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WRITTEN.into_iter().find(|reason| reason.as_str() == word)
    }
}
