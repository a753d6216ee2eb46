//! Ends sessions. One session ends by its own row. All sessions of an account end by the account's row, however many there are:
//! `sessions_from` is the lowest epoch whose sessions are live. The rows of the ended sessions are marked later, in batches.

use super::revocations::{insert_for_sessions, insert_for_user};
use super::{Store, StoreError};
use crate::account_lock::lock_account;
use crate::engine::{Row, StoreTransaction, query};
use crate::{COUNT_CAP, Ended, Ending, NewEvent, Revocation, SessionId, SessionScope, UnixSeconds};
use latchkey_types::UserId;

/// The most sessions over the limit that one sign-in ends. More than one over the limit exist only in accounts from before the
/// limit was introduced.
const MAX_ENDED_OVER_LIMIT: i64 = 100;

/// The SQL condition that a session has not ended by its account's row.
const OF_A_LIVE_EPOCH: &str = "epoch >= (SELECT sessions_from FROM users WHERE users.id = sessions.user_id)";

impl Store {
    /// Ends sessions of a user. Writes nothing when none of them was live. After an error, none has ended.
    pub async fn end_sessions(&self, which: SessionScope, ending: &Ending, event: &NewEvent<'_>) -> Result<Ended, StoreError> {
        let mut tx = self.database.begin().await?;
        lock_account(&mut tx, event.user).await?;
        let ended = match which {
            SessionScope::One(id) => {
                let revocations = end_one(&mut tx, id, Some(event.user), ending).await?;
                Ended {
                    sessions: revocations.len(),
                    revocations,
                }
            }
            SessionScope::AllBut(_) | SessionScope::All => end_many(&mut tx, event.user, which, ending).await?,
        };
        if ended.sessions > 0 {
            event.insert(&mut tx).await?;
        }
        tx.commit().await?;
        Ok(ended)
    }

    /// Marks a batch of session rows that their account's row has ended. Returns whether there may be more.
    pub async fn mark_ended_sessions(&self, limit: i64) -> Result<bool, StoreError> {
        const WAITING: &str =
            "SELECT id, sessions_from, sessions_ended_at, sessions_end_reason FROM users WHERE sessions_marked < sessions_from LIMIT 1";
        let mut tx = self.database.begin_yielding().await?;
        let Some(user) = tx.one(query(WAITING)).await? else {
            return Ok(false);
        };
        let (id, from): (String, i64) = (user.get("id")?, user.get("sessions_from")?);
        let marked = tx
            .run(
                query("UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE id IN (SELECT id FROM sessions WHERE user_id = $3 AND ended_at IS NULL AND epoch < $4 LIMIT $5)")
                    .bind(user.get::<Option<i64>>("sessions_ended_at")?.unwrap_or_default())
                    .bind(user.get::<Option<String>>("sessions_end_reason")?)
                    .bind(&id)
                    .bind(from)
                    .bind(limit),
            )
            .await?;
        if marked < limit.unsigned_abs() {
            let done = query("UPDATE users SET sessions_marked = $1 WHERE id = $2");
            tx.run(done.bind(from).bind(&id)).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// Ends one session of `user`, or of any user for `None`, unless it has ended already. Also ends an expired session, because the
/// clock may be wrong.
pub(super) async fn end_one(
    tx: &mut StoreTransaction,
    id: SessionId,
    user: Option<&UserId>,
    ending: &Ending,
) -> Result<Vec<Revocation>, StoreError> {
    const ONE: &str = "UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE id = $3 AND user_id = COALESCE($4, user_id) AND ended_at IS NULL AND epoch >= (SELECT sessions_from FROM users WHERE users.id = sessions.user_id) RETURNING id, token_exp";
    let ended = query(ONE)
        .bind(ending.at)
        .bind(ending.reason.as_str())
        .bind(id.to_string())
        .bind(user.map(|user| &user.0));
    let ended = tx.all(ended).await?;
    revoke(tx, &ended, ending).await
}

/// Ends all sessions of a user by one row, or all but one, which continues in the new epoch.
async fn end_many(tx: &mut StoreTransaction, user: &UserId, which: SessionScope, ending: &Ending) -> Result<Ended, StoreError> {
    let kept = if let SessionScope::AllBut(kept) = which {
        kept.to_string()
    } else {
        String::new()
    };
    let counted = format!(
        "SELECT COUNT(*) AS total FROM (SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL AND {OF_A_LIVE_EPOCH} AND expires_at > $2 AND id <> $3 LIMIT $4) AS living"
    );
    let counted = query(sqlx::AssertSqlSafe(counted))
        .bind(&user.0)
        .bind(ending.at)
        .bind(&kept)
        .bind(COUNT_CAP);
    let sessions: i64 = tx.one(counted).await?.map_or(Ok(0), |row| row.get("total"))?;
    if sessions == 0 {
        return Ok(Ended::default());
    }
    // Move the kept session before the others end, because only a live session may continue.
    let goes_on = format!(
        "UPDATE sessions SET epoch = (SELECT epoch + 1 FROM users WHERE id = $1) WHERE id = $2 AND user_id = $1 AND ended_at IS NULL AND {OF_A_LIVE_EPOCH}"
    );
    tx.run(query(sqlx::AssertSqlSafe(goes_on)).bind(&user.0).bind(&kept)).await?;
    let Some((_, revocation)) = end_all(tx, user, ending).await? else {
        return Ok(Ended::default());
    };
    Ok(Ended {
        sessions: usize::try_from(sessions).unwrap_or_default(),
        revocations: vec![revocation],
    })
}

/// Ends all existing sessions of a user by one row. Returns the new epoch, or `None` when there is no such account.
pub(super) async fn end_all(tx: &mut StoreTransaction, user: &UserId, ending: &Ending) -> Result<Option<(i64, Revocation)>, StoreError> {
    const ALL: &str = "UPDATE users SET epoch = epoch + 1, sessions_from = epoch + 1, sessions_ended_at = $1, sessions_end_reason = $2 WHERE id = $3 AND removed_at IS NULL RETURNING epoch";
    let ended = query(ALL).bind(ending.at).bind(ending.reason.as_str()).bind(&user.0);
    let Some(row) = tx.one(ended).await? else {
        return Ok(None);
    };
    let epoch = row.get("epoch")?;
    let revocation = insert_for_user(tx, user, epoch, ending.at).await?;
    Ok(Some((epoch, revocation)))
}

/// Ends the sessions of a user beyond the limit, the least recently used first, but never the one that has just begun.
pub(super) async fn end_over_limit(
    tx: &mut StoreTransaction,
    user: &UserId,
    begun: SessionId,
    limit: i64,
    ending: &Ending,
) -> Result<Vec<Revocation>, StoreError> {
    const LIVING: &str = "SELECT id, last_used_at FROM sessions WHERE user_id = (SELECT $1) AND ended_at IS NULL AND epoch >= (SELECT sessions_from FROM users WHERE users.id = sessions.user_id) AND id <> $2 ORDER BY ended_at, epoch, id LIMIT $3";
    const OVER: &str = "UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE id IN (SELECT key FROM json_each(json($3))) AND ended_at IS NULL RETURNING id, token_exp";
    let living = query(LIVING)
        .bind(&user.0)
        .bind(begun.to_string())
        .bind(limit + MAX_ENDED_OVER_LIMIT);
    let living = tx.all(living).await?;
    let over = (living.len() + 1).saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    if over == 0 {
        return Ok(Vec::new());
    }
    let mut unused = living
        .iter()
        .map(|row| Ok((row.get("last_used_at")?, row.get("id")?)))
        .collect::<Result<Vec<(i64, String)>, StoreError>>()?;
    unused.sort_unstable();
    let keys: Vec<String> = unused.iter().take(over).map(|(_, id)| format!("\"{id}\":0")).collect();
    let ended = query(OVER)
        .bind(ending.at)
        .bind(ending.reason.as_str())
        .bind(format!("{{{}}}", keys.join(",")));
    let ended = tx.all(ended).await?;
    revoke(tx, &ended, ending).await
}

/// Writes the revocations of sessions that have just ended. Each is kept for as long as the session's tokens may live.
pub(super) async fn revoke(tx: &mut StoreTransaction, ended: &[Row], ending: &Ending) -> Result<Vec<Revocation>, StoreError> {
    let ended = ended.iter().map(|row| {
        let id = SessionId::parse(row.get("id")?).ok_or(StoreError::Corrupt("session id"))?;
        let token_exp: UnixSeconds = row.get("token_exp")?;
        Ok((id, token_exp.max(ending.tokens_until)))
    });
    insert_for_sessions(tx, &ended.collect::<Result<Vec<_>, StoreError>>()?, ending.at).await
}
