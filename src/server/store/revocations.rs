//! The news at rest: written with what it is about, read by every node.

use sqlx::Row;

use super::{Change, Store, StoreError};
use crate::domain::UserId;
use crate::server::clock::UnixSeconds;
use crate::server::revocations::Revocation;
use crate::server::sessions::SessionId;

impl Revocation {
    pub(super) async fn insert(&self, change: &mut Change, at: UnixSeconds) -> Result<(), StoreError> {
        let (session, user, epoch) = match self {
            Revocation::Session(id) => (Some(id.to_string()), None, None),
            Revocation::User(id, epoch) => (None, Some(&id.0), Some(*epoch)),
        };
        sqlx::query("INSERT INTO revocations (session_id, user_id, epoch, at) VALUES ($1, $2, $3, $4)")
            .bind(session)
            .bind(user)
            .bind(epoch)
            .bind(at)
            .execute(&mut **change)
            .await?;
        Ok(())
    }
}

impl Store {
    /// The news after a sequence number, in its order, with the number of the last. One program writes at a time here
    /// (SQLite), so the numbers are in the order of commits.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn revocations_after(&self, seq: i64, limit: i64) -> Result<(Vec<Revocation>, i64), StoreError> {
        let rows = sqlx::query("SELECT seq, session_id, user_id, epoch FROM revocations WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(seq)
            .bind(limit)
            .fetch_all(self.reader()?)
            .await?;
        let last = rows.last().map(|row| row.try_get("seq")).transpose()?.unwrap_or(seq);
        let news = rows.iter().map(|row| {
            let session: Option<String> = row.try_get("session_id")?;
            let user: Option<String> = row.try_get("user_id")?;
            match (session.as_deref().and_then(SessionId::parse), user, row.try_get("epoch")?) {
                (Some(session), None, _) => Ok(Revocation::Session(session)),
                (None, Some(user), Some(epoch)) => Ok(Revocation::User(UserId(user), epoch)),
                _ => Err(StoreError::Corrupt("revocation")),
            }
        });
        Ok((news.collect::<Result<_, StoreError>>()?, last))
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
