//! The news at rest: written with what it is about, read by every node.

use super::database::{Change, Row, query};
use super::{Store, StoreError};
use crate::domain::UserId;
use crate::server::clock::UnixSeconds;
use crate::server::revocations::Revocation;
use crate::server::sessions::SessionId;

/// Writes that sessions have ended, in a change that is under way: one row each, however many, by one statement. Both engines
/// read the keys of a JSON object as rows.
pub(super) async fn sessions_ended(change: &mut Change, ended: &[SessionId], at: UnixSeconds) -> Result<Vec<Revocation>, StoreError> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<String> = ended.iter().map(|id| format!("\"{id}\":0")).collect();
    change
        .run(
            query("INSERT INTO revocations (session_id, at) SELECT key, $2 FROM json_each(json($1))")
                .bind(format!("{{{}}}", keys.join(",")))
                .bind(at),
        )
        .await?;
    Ok(ended.iter().copied().map(Revocation::Session).collect())
}

/// Writes that a user's access tokens of an earlier epoch are stale.
pub(super) async fn epoch_began(change: &mut Change, user: &UserId, epoch: i64, at: UnixSeconds) -> Result<(), StoreError> {
    change
        .run(
            query("INSERT INTO revocations (user_id, epoch, at) VALUES ($1, $2, $3)")
                .bind(&user.0)
                .bind(epoch)
                .bind(at),
        )
        .await?;
    Ok(())
}

impl Store {
    /// The news after a position, and the position up to which all of it was seen. Some pieces may come once more.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn revocations_after(&self, position: i64, mut learn: impl FnMut(Revocation)) -> Result<i64, StoreError> {
        let each = |row: Row| {
            let session: Option<&str> = row.get("session_id")?;
            let user: Option<String> = row.get("user_id")?;
            learn(match (session.and_then(SessionId::parse), user, row.get("epoch")?) {
                (Some(session), None, _) => Revocation::Session(session),
                (None, Some(user), Some(epoch)) => Revocation::User(UserId(user), epoch),
                _ => return Err(StoreError::Corrupt("revocation")),
            });
            Ok(())
        };
        self.database.news(position, each).await
    }

    /// Removes a batch of news older than this. How much there was.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn remove_revocations_before(&self, before: UnixSeconds, limit: i64) -> Result<u64, StoreError> {
        const OLD: &str = "DELETE FROM revocations WHERE seq IN (SELECT seq FROM revocations WHERE at < $1 LIMIT $2)";
        self.remove(OLD, before, limit).await
    }
}
