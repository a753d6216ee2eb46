//! A browser that has signed in to an account before.

use latchkey_types::UserId;

/// A device that has signed in to an account before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// The account.
    pub user: UserId,
    /// The generation of the account's password at that time.
    pub generation: i64,
    /// A random id.
    pub id: [u8; 16],
}
