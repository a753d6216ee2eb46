//! Removes accounts. One update of its row removes an account, however much data belongs to it: from then on no query finds it,
//! its sessions have ended and its name is free. Its sessions, its events and then the row itself are deleted later, in batches.

use super::session_ends::end_all;
use super::{Ending, Store, StoreError};
use crate::Revocation;
use crate::engine::query;
use latchkey_types::UserId;

impl Store {
    /// Removes an account. Returns the revocation of its tokens, or `None` when there is no such account.
    pub async fn remove_user(&self, id: &UserId, ending: &Ending) -> Result<Option<Vec<Revocation>>, StoreError> {
        // No valid sign-in name contains a tilde.
        const REMOVED: &str = "UPDATE users SET username = '~' || id, email = NULL, password_hash = '', disabled_at = COALESCE(disabled_at, $1), removed_at = $1 WHERE id = $2";
        let mut tx = self.database.begin().await?;
        let Some((_, revocation)) = end_all(&mut tx, id, ending).await? else {
            return Ok(None);
        };
        tx.run(query(REMOVED).bind(ending.at).bind(&id.0)).await?;
        tx.commit().await?;
        Ok(Some(vec![revocation]))
    }

    /// Deletes a batch of the data of a removed account, and its row when no data is left. Returns whether there may be more.
    pub async fn purge_removed_account(&self, limit: i64) -> Result<bool, StoreError> {
        const PARTS: [&str; 2] = [
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = $1 LIMIT $2)",
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE user_id = $1 LIMIT $2)",
        ];
        let mut tx = self.database.begin_yielding().await?;
        let removed = tx.one(query("SELECT id FROM users WHERE removed_at IS NOT NULL LIMIT 1")).await?;
        let Some(removed) = removed else { return Ok(false) };
        let id: String = removed.get("id")?;
        let mut whole = true;
        for part in PARTS {
            let deleted = tx.run(query(part).bind(&id).bind(limit)).await?;
            whole &= deleted < limit.unsigned_abs();
        }
        if whole {
            tx.run(query("DELETE FROM users WHERE id = $1").bind(&id)).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}
