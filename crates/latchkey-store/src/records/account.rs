//! An account as a row of `users` holds it, and the data of a new account.

use latchkey_types::{Email, Role, User, UserId, Username, escape_invisible};

use crate::{Client, UnixSeconds};

/// An account as its owner and the operator see it. It contains no password hash.
#[derive(Clone, Debug)]
pub struct Account {
    /// The id; it never changes and is never used again.
    pub id: UserId,
    /// The sign-in name, which is public.
    pub username: String,
    /// The email address, which is private.
    pub email: Option<String>,
    /// The role of the account.
    pub role: Role,
    /// The current epoch; access tokens of an earlier epoch are stale.
    pub epoch: i64,
    /// When the account was created.
    pub created_at: UnixSeconds,
    /// When the account was disabled. Since then no one can sign in to it.
    pub disabled_at: Option<UnixSeconds>,
    /// How often the password was replaced. Known devices of an earlier generation are invalid.
    pub password_generation: i64,
}

impl Account {
    /// Returns the email address for display, with escapes: an address stored by an earlier version may contain characters that
    /// are invisible or that a terminal obeys.
    pub fn shown_email(&self) -> Option<String> {
        self.email.as_deref().map(|email| escape_invisible(email).into_owned())
    }

    /// Returns the user as access tokens describe it.
    pub fn user(&self) -> User {
        User {
            id: self.id.clone(),
            username: self.username.clone(),
            roles: vec![self.role],
        }
    }
}

/// The role of a new account. The database decides whether the account is the first one.
#[derive(Clone, Copy, Debug)]
pub struct InitialRole {
    /// The role if no account has ever been created before.
    pub if_first: Role,
    /// The role in all other cases.
    pub otherwise: Role,
}

/// A password hash and the kind under which it is counted.
#[derive(Clone, Copy, Debug)]
pub struct HashedPassword<'a> {
    /// The hash as a PHC string or in bcrypt's format.
    pub text: &'a str,
    /// The hash without its salt and digest; `None` if `text` is not a known kind of hash.
    pub kind: Option<&'a str>,
}

/// The data of an account to be created.
pub struct NewUser<'a> {
    /// The immutable id.
    pub id: &'a UserId,
    /// The sign-in name.
    pub username: &'a Username,
    /// The email address, if any.
    pub email: Option<&'a Email>,
    /// The hash of the password.
    pub password_hash: HashedPassword<'a>,
    /// The role.
    pub role: InitialRole,
    /// The client that creates the account.
    pub client: &'a Client,
    /// The current time.
    pub created_at: UnixSeconds,
}
