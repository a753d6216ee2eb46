//! Who somebody is, as far as anybody is told.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The immutable id of a user, the token's `sub`. A new account of an old name has another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub String);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Its own things.
    User,
}

impl Role {
    /// The word in tokens, in the database and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::User => "user",
        }
    }

    /// The role of this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Role::Admin, Role::User].into_iter().find(|role| role.as_str() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The public view of an account: what a token says of it. There is no hash here to leak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Never changes.
    pub id: UserId,
    /// The sign-in name.
    pub username: String,
    /// What the account may do.
    pub roles: Vec<Role>,
}
