//! An account as a row of `users` holds it, and the row of a new one.

use latchkey_types::{Email, Role, User, UserId, Username, escape_invisible};

use crate::{Client, UnixSeconds};

/// An account as its owner and the operator see it. Holds no hash.
#[derive(Clone, Debug)]
pub struct Account {
    /// Never changes, never used again.
    pub id: UserId,
    /// The public name.
    pub username: String,
    /// Private.
    pub email: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Tokens of an earlier epoch are stale.
    pub epoch: i64,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// Since when nobody can sign in to it.
    pub disabled_at: Option<UnixSeconds>,
    /// How often its password was replaced: known devices of an earlier generation are void.
    pub password_generation: i64,
}

impl Account {
    /// The address as people may see it: one of before may hold characters that show nothing or that a terminal obeys.
    pub fn shown_email(&self) -> Option<String> {
        self.email.as_deref().map(|email| escape_invisible(email).into_owned())
    }

    /// What tokens say of it.
    pub fn user(&self) -> User {
        User {
            id: self.id.clone(),
            username: self.username.clone(),
            roles: vec![self.role],
        }
    }
}

/// The role of a new account: the database tells whether it is the first one.
#[derive(Clone, Copy, Debug)]
pub struct InitialRole {
    /// When no account was ever made before.
    pub if_first: Role,
    /// Otherwise.
    pub otherwise: Role,
}

/// A password hash and the kind that it is counted under.
#[derive(Clone, Copy, Debug)]
pub struct HashedPassword<'a> {
    /// PHC string, or bcrypt's form.
    pub text: &'a str,
    /// The hash without its salt and digest; `None` for a text that is no known hash.
    pub kind: Option<&'a str>,
}

/// An account to be made.
pub struct NewUser<'a> {
    /// Its immutable id.
    pub id: &'a UserId,
    /// Its name.
    pub username: &'a Username,
    /// Its address, if it has one.
    pub email: Option<&'a Email>,
    /// The hash of its password.
    pub password_hash: HashedPassword<'a>,
    /// What it may do.
    pub role: InitialRole,
    /// Who makes it.
    pub client: &'a Client,
    /// Now.
    pub created_at: UnixSeconds,
}
