//! Ends the sessions of all accounts, in batches, so that no other transaction waits long for the row of an account.

use super::{Store, StoreError};
use crate::engine::query;
use crate::{EndReason, MAX_TOKEN_LIFE, UnixSeconds};

/// The number of accounts per transaction.
const BATCH: i64 = 1000;

impl Store {
    /// Ends every session of every account. Returns how many accounts there are. After an error, the sessions of some accounts
    /// may have ended; the call can be repeated.
    pub async fn end_all_sessions(&self, reason: EndReason, now: UnixSeconds) -> Result<u64, StoreError> {
        let (mut accounts, mut after) = (0, String::new());
        while let Some((ended, last)) = self.end_sessions_of_accounts_after(&after, reason, now).await? {
            accounts += ended;
            after = last;
        }
        Ok(accounts)
    }

    /// Ends the sessions of one batch of accounts. Returns how many accounts it had and the id of the last one, or `None` when
    /// there are no more.
    async fn end_sessions_of_accounts_after(
        &self,
        after: &str,
        reason: EndReason,
        now: UnixSeconds,
    ) -> Result<Option<(u64, String)>, StoreError> {
        const LAST: &str = "SELECT MAX(id) AS last FROM (SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2) AS batch";
        const END: &str = "UPDATE users SET epoch = epoch + 1, sessions_from = epoch + 1, sessions_ended_at = $1, sessions_end_reason = $2 WHERE id > $3 AND id <= $4 AND removed_at IS NULL";
        const REVOKE: &str = "INSERT INTO revocations (user_id, epoch, at, expires_at) SELECT id, epoch, $1, $2 FROM users WHERE id > $3 AND id <= $4 AND removed_at IS NULL";
        let mut tx = self.database.begin().await?;
        let last = tx.one(query(LAST).bind(after).bind(BATCH)).await?;
        let Some(last) = last.map(|row| row.get::<Option<String>>("last")).transpose()?.flatten() else {
            return Ok(None);
        };
        let end = query(END).bind(now).bind(reason.as_str()).bind(after).bind(&last);
        let accounts = tx.run(end).await?;
        let revoke = query(REVOKE).bind(now).bind(now + MAX_TOKEN_LIFE).bind(after).bind(&last);
        tx.run(revoke).await?;
        tx.commit().await?;
        Ok(Some((accounts, last)))
    }
}
