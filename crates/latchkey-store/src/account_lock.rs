//! Serialises the changes of one account.

use latchkey_types::UserId;

use crate::StoreError;
use crate::engine::{StoreTransaction, query};

/// Makes every other change of an account's sessions wait until this transaction ends. On SQLite they wait already, because there
/// is one writer. On PostgreSQL a session could otherwise begin while another transaction ends all sessions and does not see the
/// new one yet.
pub(crate) async fn lock_account(tx: &mut StoreTransaction, user: &UserId) -> Result<(), StoreError> {
    tx.run(query("UPDATE users SET epoch = epoch WHERE id = $1").bind(&user.0)).await?;
    Ok(())
}
