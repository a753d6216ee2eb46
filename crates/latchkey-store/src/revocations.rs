//! Stores revocations: each is written in the transaction of the change that causes it, and read by every node.

use super::{Store, StoreError};
use crate::engine::{Row, StoreTransaction, query};
use crate::{Horizon, Revocation, Revoked, SessionId, UnixSeconds};
use latchkey_types::UserId;

/// Writes revocations of sessions within a transaction, by one statement however many there are. Both engines read the keys and
/// values of a JSON object as rows.
pub(super) async fn insert_for_sessions(
    tx: &mut StoreTransaction,
    ended: &[(SessionId, UnixSeconds)],
    written_at: UnixSeconds,
) -> Result<Vec<Revocation>, StoreError> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let pairs: Vec<String> = ended.iter().map(|(id, expires_at)| format!("\"{id}\":{expires_at}")).collect();
    tx
        .run(
            query("INSERT INTO revocations (session_id, at, expires_at) SELECT key, $2, CAST(CAST(value AS TEXT) AS BIGINT) FROM json_each(json($1))")
                .bind(format!("{{{}}}", pairs.join(",")))
                .bind(written_at),
        )
        .await?;
    let revocation = |(id, expires_at): &(SessionId, UnixSeconds)| Revocation {
        revoked: Revoked::Session(*id),
        written_at,
        expires_at: *expires_at,
    };
    Ok(ended.iter().map(revocation).collect())
}

/// Writes that a user's access tokens of an earlier epoch are stale.
pub(super) async fn insert_for_user(
    tx: &mut StoreTransaction,
    user: &UserId,
    epoch: i64,
    written_at: UnixSeconds,
) -> Result<Revocation, StoreError> {
    let revocation = Revocation::of_user(user.clone(), epoch, written_at);
    tx.run(
        query("INSERT INTO revocations (user_id, epoch, at, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(&user.0)
            .bind(epoch)
            .bind(written_at)
            .bind(revocation.expires_at),
    )
    .await?;
    Ok(revocation)
}

impl Store {
    /// Passes the revocations after a position to `apply`, some of them perhaps again. Returns the position up to which all of
    /// them have been read.
    pub async fn revocations_after(&self, position: i64, mut apply: impl FnMut(Revocation)) -> Result<i64, StoreError> {
        let each = |row: Row| {
            let session: Option<&str> = row.get("session_id")?;
            let user: Option<String> = row.get("user_id")?;
            let revoked = match (session.and_then(SessionId::parse), user, row.get("epoch")?) {
                (Some(session), None, _) => Revoked::Session(session),
                (None, Some(user), Some(epoch)) => Revoked::User(UserId(user), epoch),
                _ => return Err(StoreError::Corrupt("revocation")),
            };
            apply(Revocation {
                revoked,
                written_at: row.get("at")?,
                expires_at: row.get("expires_at")?,
            });
            Ok(())
        };
        self.database.revocation_rows_after(position, each).await
    }

    /// Returns the time by the database's own clock, or `None` if it has none.
    pub async fn clock(&self) -> Result<Option<UnixSeconds>, StoreError> {
        self.database.clock().await
    }

    /// Deletes a batch of revocations that the horizon has passed. Returns how many it deleted.
    pub async fn remove_revocations(&self, horizon: &Horizon, limit: i64) -> Result<u64, StoreError> {
        const PAST: &str =
            "DELETE FROM revocations WHERE seq IN (SELECT seq FROM revocations WHERE expires_at <= $1 AND expires_at - at <= $2 LIMIT $3)";
        let mut tx = self.database.begin_yielding().await?;
        let removed = query(PAST).bind(horizon.now).bind(horizon.uptime).bind(limit);
        let removed = tx.run(removed).await?;
        tx.commit().await?;
        Ok(removed)
    }
}
