//! Sessions at rest.

use super::database::{Change, Row, query};
use super::events::{address, client};
use super::revocations::sessions_ended;
use super::users::{account, hold};
use super::{Store, StoreError, throttles};
use crate::domain::UserId;
use crate::server::accounts::Account;
use crate::server::clock::UnixSeconds;
use crate::server::events::{EventKind, NewEvent};
use crate::server::refresh_tokens::{Counter, Salt};
use crate::server::revocations::Revocation;
use crate::server::sessions::{Client, EndReason, Session, SessionId};
use crate::server::throttle::ACCOUNT;

/// A session to be begun.
pub struct NewSession<'a> {
    /// The token's `sid`.
    pub id: SessionId,
    /// Whose it is.
    pub user: &'a UserId,
    /// Who asked for it.
    pub client: &'a Client,
    /// Of its refresh tokens.
    pub salt: &'a Salt,
    /// Now.
    pub started_at: UnixSeconds,
    /// When it ends by itself, unless it is refreshed.
    pub expires_at: UnixSeconds,
    /// When it ends however often it is refreshed.
    pub ends_at: UnixSeconds,
    /// The budget that the guess of its password was taken from; it is given back.
    pub budget: Option<&'a str>,
    /// The session in whose place it comes in the same browser, whoever that was: it ends.
    pub replaced: Option<SessionId>,
}

impl NewSession<'_> {
    /// Begins it, but only for an account that is enabled and still has the password that was verified: then the news.
    pub(super) async fn insert(&self, change: &mut Change, password_hash: &str) -> Result<Option<Vec<Revocation>>, StoreError> {
        hold(change, self.user).await?;
        let made = change.run(query(
            "INSERT INTO sessions (id, user_id, client, user_agent, address, salt, started_at, rotated_at, last_used_at, proved_at, expires_at, ends_at) SELECT $1, id, $3, $4, $5, $6, $7, $7, $7, $7, $8, $9 FROM users WHERE id = $2 AND password_hash = $10 AND disabled_at IS NULL",
        )
        .bind(self.id.to_string())
        .bind(&self.user.0)
        .bind(self.client.kind.as_str())
        .bind(&self.client.user_agent)
        .bind(address(self.client))
        .bind(self.salt.as_str())
        .bind(self.started_at)
        .bind(self.expires_at)
        .bind(self.ends_at)
        .bind(password_hash)).await?;
        if made == 1
            && let Some(budget) = self.budget
        {
            throttles::give_back(change, budget, ACCOUNT).await?;
        }
        match (made, self.replaced) {
            (0, _) => Ok(None),
            (_, None) => Ok(Some(Vec::new())),
            (_, Some(replaced)) => Ok(Some(end_one(change, replaced, EndReason::Replaced, self.started_at).await?)),
        }
    }

    /// Likewise, for somebody who is signed in. No news at all when it cannot be: a session that was ended meanwhile must not
    /// live on in another one.
    pub(super) async fn replace(&self, change: &mut Change, password_hash: &str) -> Result<Vec<Revocation>, StoreError> {
        Ok(self.insert(change, password_hash).await?.unwrap_or_default())
    }
}

/// Which sessions of a user to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(SessionId),
    /// All but this one.
    AllBut(SessionId),
    /// All.
    All,
}

impl Store {
    /// Begins a session of somebody who signs in. The news, or nothing when the account is disabled or has another
    /// password than the one that was verified.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn insert_session(&self, session: &NewSession<'_>, password_hash: &str) -> Result<Option<Vec<Revocation>>, StoreError> {
        let mut change = self.database.change().await?;
        let Some(news) = session.insert(&mut change, password_hash).await? else {
            return Ok(None);
        };
        let event = NewEvent {
            user: session.user,
            kind: EventKind::SignedIn,
            client: session.client,
            at: session.started_at,
        };
        event.insert(&mut change).await?;
        change.commit().await?;
        Ok(Some(news))
    }

    /// A session and whose it is, ended or not.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn session(&self, id: SessionId) -> Result<Option<(Session, Account)>, StoreError> {
        let row = self.database.one(query("SELECT sessions.*, users.id AS uid, username, email, role, epoch, created_at, disabled_at FROM sessions JOIN users ON users.id = user_id WHERE sessions.id = $1")
            .bind(id.to_string())).await?;
        row.map(|row| Ok((session(&row)?, account(&row, "uid")?))).transpose()
    }

    /// Moves a live session on from one refresh token to the next. Whether this call did it: of any number that try
    /// at once, one does.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn rotate_session(
        &self,
        id: SessionId,
        from: Counter,
        now: UnixSeconds,
        expires_at: UnixSeconds,
        refreshes_until: UnixSeconds,
    ) -> Result<bool, StoreError> {
        let rotation = query(
            "UPDATE sessions SET counter = counter + 1, rotated_at = $1, last_used_at = $1, expires_at = $2, refreshes_until = $3 WHERE id = $4 AND counter = $5 AND ended_at IS NULL AND expires_at > $1",
        )
        .bind(now)
        .bind(expires_at)
        .bind(refreshes_until)
        .bind(id.to_string())
        .bind(i64::from(from));
        Ok(self.database.write(rotation).await? == 1)
    }

    /// Ends sessions of a user. The news: nothing when none of them lived.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn end_sessions(&self, which: Which, reason: EndReason, event: &NewEvent<'_>) -> Result<Vec<Revocation>, StoreError> {
        let mut change = match which {
            Which::One(_) => self.database.change().await?,
            Which::AllBut(_) | Which::All => self.database.change_of_many().await?,
        };
        hold(&mut change, event.user).await?;
        let news = end(&mut change, event.user, which, reason, event.at).await?;
        if !news.is_empty() {
            event.insert(&mut change).await?;
        }
        change.commit().await?;
        Ok(news)
    }

    /// Notes that tokens of sessions were seen, and failures to sign in: what no answer waits for.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn note(&self, uses: &[(SessionId, Counter, UnixSeconds)], events: &[NewEvent<'_>]) -> Result<(), StoreError> {
        let mut change = self.database.change_that_yields().await?;
        for event in events {
            event.count_or_insert(&mut change).await?;
        }
        for (id, counter, at) in uses {
            let noted = query(
                "UPDATE sessions SET used_counter = CASE WHEN used_counter < $1 THEN $1 ELSE used_counter END, last_used_at = CASE WHEN last_used_at < $2 THEN $2 ELSE last_used_at END WHERE id = $3",
            );
            change.run(noted.bind(i64::from(*counter)).bind(*at).bind(id.to_string())).await?;
        }
        change.commit().await
    }

    /// Removes a batch of sessions that ended, or expired, before this. How many there were.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn remove_sessions_over_before(&self, before: UnixSeconds, limit: i64) -> Result<u64, StoreError> {
        // No session is in both halves, so the limit ends the search.
        const OLD: &str = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ended_at IS NULL AND expires_at < $1 UNION ALL SELECT id FROM sessions WHERE ended_at < $1 LIMIT $2)";
        self.remove(OLD, before, limit).await
    }
}

/// A user who has a large part of all sessions is looked up like any other: see [`Listed`](super::Listed).
const ALL_BUT: &str = "UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE user_id = (SELECT $3) AND ended_at IS NULL AND expires_at > $1 AND id <> $4 RETURNING id";

/// Ends sessions and writes the news, in a change that is under way. Ending one twice changes nothing.
pub(super) async fn end(
    change: &mut Change,
    user: &UserId,
    which: Which,
    reason: EndReason,
    at: UnixSeconds,
) -> Result<Vec<Revocation>, StoreError> {
    // One of many is found by its own id: each sign-out comes this way.
    let (text, id) = match which {
        Which::One(one) => (
            "UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE id = $4 AND user_id = $3 AND ended_at IS NULL AND expires_at > $1 RETURNING id",
            one.to_string(),
        ),
        Which::AllBut(kept) => (ALL_BUT, kept.to_string()),
        Which::All => (ALL_BUT, String::new()),
    };
    let ended = change
        .all(query(text).bind(at).bind(reason.as_str()).bind(&user.0).bind(id))
        .await?;
    let ended = ended
        .iter()
        .map(|row| SessionId::parse(row.get("id")?).ok_or(StoreError::Corrupt("session id")));
    sessions_ended(change, &ended.collect::<Result<Vec<_>, _>>()?, at).await
}

/// Ends one session, whosever it is.
async fn end_one(change: &mut Change, id: SessionId, reason: EndReason, at: UnixSeconds) -> Result<Vec<Revocation>, StoreError> {
    let ended = change
        .run(
            query("UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE id = $3 AND ended_at IS NULL")
                .bind(at)
                .bind(reason.as_str())
                .bind(id.to_string()),
        )
        .await?;
    if ended == 0 {
        return Ok(Vec::new());
    }
    sessions_ended(change, &[id], at).await
}

/// The session that a row holds.
pub(super) fn session(row: &Row) -> Result<Session, StoreError> {
    let id: String = row.get("id")?;
    let counter = |column| -> Result<Counter, StoreError> {
        let number: i64 = row.get(column)?;
        Counter::try_from(number).map_err(|_| StoreError::Corrupt("counter"))
    };
    let ended = match (row.get::<Option<i64>>("ended_at")?, row.get::<Option<String>>("end_reason")?) {
        (Some(_), Some(reason)) => Some(EndReason::parse(&reason).ok_or(StoreError::Corrupt("end reason"))?),
        (Some(_), None) => Some(EndReason::Operator),
        (None, _) => None,
    };
    Ok(Session {
        id: SessionId::parse(&id).ok_or(StoreError::Corrupt("session id"))?,
        client: client(row)?,
        salt: Salt::from_row(row.get("salt")?),
        counter: counter("counter")?,
        used_counter: counter("used_counter")?,
        rotated_at: row.get("rotated_at")?,
        refreshes_until: row.get("refreshes_until")?,
        started_at: row.get("started_at")?,
        last_used_at: row.get("last_used_at")?,
        proved_at: row.get("proved_at")?,
        expires_at: row.get("expires_at")?,
        ends_at: row.get("ends_at")?,
        ended,
    })
}
