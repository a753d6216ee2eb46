//! A browser that has signed in to an account before.

use latchkey_types::UserId;

/// A device that has signed in before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// To this account.
    pub user: UserId,
    /// While the account's password had this generation.
    pub generation: i64,
    /// Random.
    pub id: [u8; 16],
}
