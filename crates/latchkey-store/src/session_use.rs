//! Stores the use of sessions: which token pairs a client has presented, and when a session was last used.

use std::collections::HashSet;

use super::session_ends::revoke;
use super::{Store, StoreError};
use crate::engine::query;
use crate::{Counter, Ending, NewEvent, Revocation, Session, SessionId, UnixSeconds};

impl Store {
    /// Marks a token pair as used unless it is marked already: this is `Event::FirstUse` of the refresh rule. Ignores a pair that
    /// the session has not issued; such a pair means that the database was restored from a backup.
    pub async fn mark_used(&self, id: SessionId, counter: Counter) -> Result<(), StoreError> {
        let mark =
            query("UPDATE sessions SET used_counter = $1 WHERE id = $2 AND used_counter < $1 AND counter >= $1 AND ended_at IS NULL")
                .bind(i64::from(counter))
                .bind(id.to_string());
        self.database.write(mark).await?;
        Ok(())
    }

    /// Stores that the current token pair of a session is issued again. Returns whether it did: not if the row has changed since
    /// it was read, so that a pair that was used in the meantime is judged again.
    pub async fn issue_again(&self, read: &Session, rotated_at: UnixSeconds, token_exp: UnixSeconds) -> Result<bool, StoreError> {
        let update = query(
            "UPDATE sessions SET rotated_at = $1, token_exp = $2 WHERE id = $3 AND counter = $4 AND used_counter = $5 AND rotated_at = $6 AND token_exp = $7 AND ended_at IS NULL AND epoch >= (SELECT sessions_from FROM users WHERE users.id = sessions.user_id)",
        )
        .bind(rotated_at)
        .bind(token_exp)
        .bind(read.id.to_string())
        .bind(i64::from(read.counter))
        .bind(read.used_counter.map_or(-1, i64::from))
        .bind(read.rotated_at)
        .bind(read.token_exp);
        Ok(self.database.write(update).await? == 1)
    }

    /// Writes when sessions were last used, in one transaction. Returns the sessions that need no further attempt: on PostgreSQL
    /// all except those whose rows are locked by others or deleted, on SQLite all.
    pub async fn write_last_used(&self, uses: &[(SessionId, UnixSeconds)]) -> Result<HashSet<SessionId>, StoreError> {
        let uses: Vec<String> = uses.iter().map(|(id, at)| format!("\"{id}\":{at}")).collect();
        let mut tx = self.database.begin_yielding().await?;
        let rows = tx.write_last_used(&format!("{{{}}}", uses.join(","))).await?;
        tx.commit().await?;
        let settled = rows
            .iter()
            .map(|row| SessionId::parse(row.get("id")?).ok_or(StoreError::Corrupt("session id")));
        settled.collect()
    }

    /// Writes failed sign-ins into the events of their accounts, in one transaction. Failures from one address within
    /// `shared_for` seconds share a row.
    pub async fn count_or_insert_events(&self, events: impl Iterator<Item = NewEvent<'_>>, shared_for: i64) -> Result<(), StoreError> {
        let mut tx = self.database.begin_yielding().await?;
        for event in events {
            event.count_or_insert(&mut tx, shared_for).await?;
        }
        tx.commit().await
    }

    /// Ends a batch of browser sessions that began before `before` and whose cookie was never sent back. Returns the revocations.
    pub async fn end_unconfirmed_sessions(&self, before: UnixSeconds, ending: &Ending, limit: i64) -> Result<Vec<Revocation>, StoreError> {
        // The conditions are repeated outside the subquery, because PostgreSQL checks those again on a row that a first request
        // has just marked.
        const END: &str = "UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE used_counter < 0 AND ended_at IS NULL AND id IN (SELECT id FROM sessions WHERE client = 'browser' AND used_counter < 0 AND ended_at IS NULL AND started_at < $3 LIMIT $4) RETURNING id, token_exp";
        let mut tx = self.database.begin_yielding().await?;
        let end = query(END).bind(ending.at).bind(ending.reason.as_str()).bind(before).bind(limit);
        let ended = tx.all(end).await?;
        let revocations = revoke(&mut tx, &ended, ending).await?;
        tx.commit().await?;
        Ok(revocations)
    }
}
