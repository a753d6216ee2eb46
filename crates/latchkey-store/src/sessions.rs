//! Stores sessions.

use super::session_ends::{end_one, end_over_limit};
use super::users::account;
use super::{Store, StoreError, throttles};
use crate::account_lock::lock_account;
use crate::audit_events::{address, client};
use crate::engine::{Row, StoreTransaction, query};
use crate::{
    Account, Client, Counter, EndReason, Ending, EventKind, NewEvent, NewSession, Refund, Revocation, Rotation, Salt, Session, SessionId,
    UnixSeconds,
};
use latchkey_types::UserId;

/// Whose session begins.
pub(super) struct Owner<'a> {
    pub user: &'a UserId,
    /// The client that begins it.
    pub client: &'a Client,
    /// The hash that the password was verified against.
    pub password_hash: &'a str,
}

impl NewSession {
    /// Begins the session, but only if the account is enabled and still has the password that was verified. Returns the
    /// revocations of the sessions that end because of it, or `None` if it did not begin.
    pub(super) async fn insert(&self, tx: &mut StoreTransaction, by: &Owner<'_>) -> Result<Option<Vec<Revocation>>, StoreError> {
        lock_account(tx, by.user).await?;
        if !self.insert_row(tx, by).await? {
            return Ok(None);
        }
        let mut revocations = match self.replaced {
            Some(replaced) => end_one(tx, replaced, None, &self.ending(EndReason::Replaced)).await?,
            None => Vec::new(),
        };
        revocations.extend(end_over_limit(tx, by.user, self.id, self.live_limit, &self.ending(EndReason::SessionLimit)).await?);
        Ok(Some(revocations))
    }

    /// Ends the session that this one replaces. Returns no revocation if that session has ended already: a session that was ended
    /// in the meantime must not live on in a new one.
    pub(super) async fn end_replaced(&self, tx: &mut StoreTransaction, user: &UserId) -> Result<Vec<Revocation>, StoreError> {
        lock_account(tx, user).await?;
        match self.replaced {
            Some(replaced) => end_one(tx, replaced, Some(user), &self.ending(EndReason::Replaced)).await,
            None => Ok(Vec::new()),
        }
    }

    /// Inserts the session in the current epoch of its account. Returns whether it did: the account has to be enabled and have
    /// the password that was verified.
    pub(super) async fn insert_row(&self, tx: &mut StoreTransaction, by: &Owner<'_>) -> Result<bool, StoreError> {
        let made = tx.run(query(
            "INSERT INTO sessions (id, user_id, epoch, client, user_agent, address, salt, started_at, rotated_at, last_used_at, proved_at, expires_at, ends_at, token_exp, used_counter) SELECT $1, id, epoch, $3, $4, $5, $6, $7, $7, $7, $7, $8, $9, $11, -1 FROM users WHERE id = $2 AND password_hash = $10 AND disabled_at IS NULL AND removed_at IS NULL",
        )
        .bind(self.id.to_string())
        .bind(&by.user.0)
        .bind(by.client.kind.as_str())
        .bind(&by.client.user_agent)
        .bind(address(by.client))
        .bind(self.salt.as_str())
        .bind(self.started_at)
        .bind(self.expires_at)
        .bind(self.ends_at)
        .bind(by.password_hash)
        .bind(self.token_exp)).await?;
        Ok(made == 1)
    }

    const fn ending(&self, reason: EndReason) -> Ending {
        Ending {
            reason,
            at: self.started_at,
            tokens_until: self.token_exp,
        }
    }
}

impl Store {
    /// Begins a session at a sign-in, and refunds the password attempt. Returns the revocations, or `None` when the account is disabled or its password is not the
    /// one that was verified.
    pub async fn insert_session(
        &self,
        session: &NewSession,
        user: &UserId,
        client: &Client,
        password_hash: &str,
        refund: Refund<'_>,
    ) -> Result<Option<Vec<Revocation>>, StoreError> {
        let mut tx = self.database.begin().await?;
        let owner = Owner {
            user,
            client,
            password_hash,
        };
        let Some(revocations) = session.insert(&mut tx, &owner).await? else {
            return Ok(None);
        };
        throttles::refund_within(&mut tx, refund.limit_key, refund.rate).await?;
        let event = NewEvent {
            user,
            kind: EventKind::SignedIn,
            client,
            at: session.started_at,
        };
        event.insert(&mut tx).await?;
        tx.commit().await?;
        Ok(Some(revocations))
    }

    /// Returns a session, ended or not, and its account.
    pub async fn session(&self, id: SessionId) -> Result<Option<(Session, Account)>, StoreError> {
        let row = self.database.one(query("SELECT sessions.*, users.id AS owner, users.epoch AS owner_epoch, username, email, role, created_at, disabled_at, sessions_from, sessions_end_reason, password_generation FROM sessions JOIN users ON users.id = user_id WHERE sessions.id = $1 AND removed_at IS NULL")
            .bind(id.to_string())).await?;
        let Some(row) = row else { return Ok(None) };
        let mut session = session(&row)?;
        if session.ended.is_none() && row.get::<i64>("epoch")? < row.get::<i64>("sessions_from")? {
            session.ended = Some(reason(row.get("sessions_end_reason")?)?);
        }
        Ok(Some((session, account(&row, "owner", "owner_epoch")?)))
    }

    /// Moves a live session from one refresh token to the next. Returns whether this call did it: of several simultaneous calls,
    /// exactly one does.
    pub async fn rotate_session(&self, rotation: &Rotation) -> Result<bool, StoreError> {
        // On the right side of `SET`, `counter` is the old value. Its token pair was presented, or it could not be rotated.
        let update = query(
            "UPDATE sessions SET counter = counter + 1, used_counter = counter, rotated_at = $1, last_used_at = $1, expires_at = $2, refreshes_until = $3, token_exp = CASE WHEN token_exp < $4 THEN $4 ELSE token_exp END WHERE id = $5 AND counter = $6 AND ended_at IS NULL AND expires_at > $1 AND epoch >= (SELECT sessions_from FROM users WHERE users.id = sessions.user_id)",
        )
        .bind(rotation.now)
        .bind(rotation.expires_at)
        .bind(rotation.refreshes_until)
        .bind(rotation.token_exp)
        .bind(rotation.id.to_string())
        .bind(i64::from(rotation.from));
        Ok(self.database.write(update).await? == 1)
    }

    /// Deletes a batch of sessions that ended or expired before `before`. Returns how many it deleted.
    pub async fn remove_sessions_over_before(&self, before: UnixSeconds, limit: i64) -> Result<u64, StoreError> {
        // No session is in both halves, so the database can stop searching at the limit.
        const OLD: &str = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ended_at IS NULL AND expires_at < $1 UNION ALL SELECT id FROM sessions WHERE ended_at < $1 LIMIT $2)";
        self.remove(OLD, before, limit).await
    }
}

/// Reads a session from a row.
pub(super) fn session(row: &Row) -> Result<Session, StoreError> {
    let id: String = row.get("id")?;
    let counter = |column| -> Result<Option<Counter>, StoreError> {
        let number: i64 = row.get(column)?;
        // A negative number means none.
        (number >= 0)
            .then(|| Counter::try_from(number).map_err(|_| StoreError::Corrupt("counter")))
            .transpose()
    };
    let ended = match row.get::<Option<i64>>("ended_at")? {
        Some(_) => Some(reason(row.get("end_reason")?)?),
        None => None,
    };
    Ok(Session {
        id: SessionId::parse(&id).ok_or(StoreError::Corrupt("session id"))?,
        client: client(row)?,
        salt: Salt::from_row(row.get("salt")?),
        counter: counter("counter")?.ok_or(StoreError::Corrupt("counter"))?,
        used_counter: counter("used_counter")?,
        rotated_at: row.get("rotated_at")?,
        refreshes_until: row.get("refreshes_until")?,
        started_at: row.get("started_at")?,
        last_used_at: row.get("last_used_at")?,
        proved_at: row.get("proved_at")?,
        expires_at: row.get("expires_at")?,
        ends_at: row.get("ends_at")?,
        token_exp: row.get("token_exp")?,
        ended,
    })
}

/// Reads why a session ended. Rows from before reasons were stored hold none.
fn reason(word: Option<String>) -> Result<EndReason, StoreError> {
    word.map_or(Ok(EndReason::Operator), |word| {
        EndReason::parse(&word).ok_or(StoreError::Corrupt("end reason"))
    })
}
