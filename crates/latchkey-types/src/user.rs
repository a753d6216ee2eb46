//! The public view of an account: id, name and roles.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The immutable id of a user, which is the token's `sub`. If a removed account's name is registered again, the new account
/// gets another id.
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
    /// May do everything.
    Admin,
    /// May manage its own account only.
    User,
}

impl Role {
    /// Returns the name of the role in tokens, in the database and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::User => "user",
        }
    }

    /// Returns the role with this name.
    pub fn parse(word: &str) -> Option<Self> {
        [Role::Admin, Role::User].into_iter().find(|role| role.as_str() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The public view of an account, as a token contains it. It has no password hash that could leak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id, which never changes.
    pub id: UserId,
    /// The sign-in name.
    pub username: String,
    /// What the account may do.
    pub roles: Vec<Role>,
}
