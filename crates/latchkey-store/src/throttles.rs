//! Stores the rate limits.

use super::{Store, StoreError};
use crate::engine::{Query, StoreTransaction, Value, query};
use crate::{Rate, RetryAfter, UnixSeconds};

impl Store {
    /// Charges an attempt to a limit, or returns how long to wait. One statement decides, so that simultaneous attempts, here and
    /// on other nodes, gain nothing. It follows the rule of [`Rate::take`].
    pub async fn charge(&self, limit_key: &str, rate: Rate, now: UnixSeconds) -> Result<Result<(), RetryAfter>, StoreError> {
        let mut tx = self.database.begin().await?;
        let taken = tx.run(query(
            "INSERT INTO throttles (key, until) VALUES ($1, $2 + $3) ON CONFLICT (key) DO UPDATE SET until = CASE WHEN throttles.until BETWEEN $2 AND $2 + $4 THEN throttles.until ELSE $2 END + $3 WHERE throttles.until NOT BETWEEN $2 + $4 - $3 + 1 AND $2 + $4",
        )
        .bind(limit_key)
        .bind(now)
        .bind(rate.interval)
        .bind(rate.whole())).await?;
        if taken == 1 {
            tx.commit().await?;
            return Ok(Ok(()));
        }
        let row = tx.one(query("SELECT until FROM throttles WHERE key = $1").bind(limit_key)).await?;
        let until = row.map_or(Ok(0), |row| row.get("until"))?;
        Ok(rate.take(until, now).map(|_| ()))
    }

    /// Refunds an attempt.
    pub async fn refund(&self, limit_key: &str, rate: Rate) -> Result<(), StoreError> {
        self.database.write(refund_query(limit_key.to_owned(), rate)).await?;
        Ok(())
    }

    /// Deletes a batch of limits that were full again before `before`. Returns how many it deleted.
    pub async fn remove_throttles_before(&self, before: UnixSeconds, limit: i64) -> Result<u64, StoreError> {
        const OLD: &str = "DELETE FROM throttles WHERE until < $1 AND key IN (SELECT key FROM throttles WHERE until < $1 LIMIT $2)";
        self.remove(OLD, before, limit).await
    }
}

/// Refunds an attempt within a transaction.
pub(super) async fn refund_within(tx: &mut StoreTransaction, limit_key: &str, rate: Rate) -> Result<(), StoreError> {
    tx.run(refund_query(limit_key, rate)).await?;
    Ok(())
}

fn refund_query<'q>(limit_key: impl Into<Value<'q>>, rate: Rate) -> Query<'q> {
    query("UPDATE throttles SET until = until - $1 WHERE key = $2")
        .bind(rate.interval)
        .bind(limit_key)
}
