//! What keeps changes of one account from passing each other.

use latchkey_types::UserId;

use crate::StoreError;
use crate::engine::{StoreTransaction, query};

/// Keeps every other change of an account's sessions waiting until this one is over. With SQLite they wait already; with
/// PostgreSQL a session could otherwise begin beside a change that ends all of them and does not see it yet.
pub(crate) async fn lock_account(tx: &mut StoreTransaction, user: &UserId) -> Result<(), StoreError> {
    tx.run(query("UPDATE users SET epoch = epoch WHERE id = $1").bind(&user.0)).await?;
    Ok(())
}
