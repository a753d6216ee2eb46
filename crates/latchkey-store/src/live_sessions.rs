//! Lists and counts live sessions, quickly however many there are: a page is found by its position in an index, and no display
//! needs a count of more than [`COUNT_CAP`].
//!
//! `user_id = (SELECT $1)` hides the user from PostgreSQL's planner. For a user that it knows to own a large part of all rows, it
//! would read the sessions of all users in order until it has found enough of that user's.

use super::sessions::session;
use super::{Store, StoreError};
use crate::engine::{Query, query};
use crate::{COUNT_CAP, Counted, Session, SessionId, SessionPage, UnixSeconds};
use latchkey_types::UserId;

/// An id that sorts before every session, newest first.
const NEWEST: SessionId = SessionId::from_bytes([0xff; 16]);

impl Store {
    /// Returns a page of the live sessions of a user: those behind `after`, which may have ended in the meantime. `here` comes
    /// first on the first page and is on no other page. Returns the first page when `after` is not a session of this user or when
    /// no session follows it.
    pub async fn live_sessions(
        &self,
        user: &UserId,
        here: SessionId,
        after: Option<SessionId>,
        now: UnixSeconds,
        limit: usize,
    ) -> Result<SessionPage, StoreError> {
        if let Some(after) = after
            && let Some(epoch) = self.epoch_of(after, user).await?
        {
            let mut sessions = self.newest(user, (epoch, after), here, now, limit + 1).await?;
            if !sessions.is_empty() {
                let older = cut(&mut sessions, limit);
                let (all, before) = self.count(user, after, here, now).await?;
                return Ok(SessionPage {
                    sessions,
                    after: Some(after),
                    older,
                    all,
                    before,
                });
            }
        }
        let mut sessions = self.newest(user, (i64::MAX, NEWEST), NEWEST, now, limit + 1).await?;
        match sessions.iter().position(|session| session.id == here) {
            Some(index) => sessions[..=index].rotate_right(1),
            None if sessions.len() > limit => {
                let this = self.session(here).await?;
                sessions.splice(..0, this.map(|(session, _)| session).filter(|session| session.lives(now)));
            }
            None => {}
        }
        let known = i64::try_from(sessions.len()).unwrap_or(i64::MAX);
        let older = cut(&mut sessions, limit);
        let all = match older {
            Some(_) => self.count(user, NEWEST, here, now).await?.0,
            None => Counted::of(known),
        };
        Ok(SessionPage {
            sessions,
            older,
            all,
            before: Counted::of(0),
            after: None,
        })
    }

    /// Counts the live sessions of a user, without a cap.
    pub async fn count_sessions_of(&self, user: &UserId, now: UnixSeconds) -> Result<i64, StoreError> {
        let counted = query(
            "SELECT COUNT(*) AS total FROM sessions WHERE user_id = (SELECT $1) AND ended_at IS NULL AND epoch >= (SELECT sessions_from FROM users WHERE id = $1) AND expires_at > $2",
        );
        self.total(counted.bind(&user.0).bind(now)).await
    }

    /// Counts the live sessions of all users.
    pub async fn count_live_sessions(&self, now: UnixSeconds) -> Result<i64, StoreError> {
        let counted = query(
            "SELECT COUNT(*) AS total FROM sessions JOIN users ON users.id = user_id WHERE ended_at IS NULL AND expires_at > $1 AND sessions.epoch >= sessions_from",
        );
        self.total(counted.bind(now)).await
    }

    async fn total(&self, counted: Query<'_>) -> Result<i64, StoreError> {
        let row = self.database.one(counted).await?;
        row.map_or(Ok(0), |row| row.get("total"))
    }

    /// Returns the epoch of a session, live or not, if it belongs to this user.
    async fn epoch_of(&self, id: SessionId, user: &UserId) -> Result<Option<i64>, StoreError> {
        let found = query("SELECT epoch FROM sessions WHERE id = $1 AND user_id = $2");
        let row = self.database.one(found.bind(id.to_string()).bind(&user.0)).await?;
        row.map(|row| row.get("epoch")).transpose()
    }

    /// Returns live sessions that follow a position in the index, newest first and without `left_out`. Among live sessions the
    /// order of epochs and ids is the order of ids, because the one session that moves to a new epoch is older than all others of
    /// that epoch.
    async fn newest(
        &self,
        user: &UserId,
        (epoch, after): (i64, SessionId),
        left_out: SessionId,
        now: UnixSeconds,
        limit: usize,
    ) -> Result<Vec<Session>, StoreError> {
        let rows = self.database.all(query(
            "SELECT * FROM sessions WHERE user_id = (SELECT $1) AND ended_at IS NULL AND epoch >= (SELECT sessions_from FROM users WHERE id = $1) AND (epoch, id) < ($2, $3) AND expires_at > $4 AND id <> $5 ORDER BY ended_at DESC, epoch DESC, id DESC LIMIT $6",
        )
        .bind(&user.0)
        .bind(epoch)
        .bind(after.to_string())
        .bind(now)
        .bind(left_out.to_string())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))).await?;
        rows.iter().map(session).collect()
    }

    /// Counts the live sessions, and those of them that come before the page behind `after`. `here` always comes before it.
    async fn count(&self, user: &UserId, after: SessionId, here: SessionId, now: UnixSeconds) -> Result<(Counted, Counted), StoreError> {
        let row = self.database.one(query(
            "SELECT COUNT(*) AS total, COUNT(CASE WHEN id >= $3 OR id = $4 THEN 1 END) AS earlier FROM (SELECT id FROM sessions WHERE user_id = (SELECT $1) AND ended_at IS NULL AND epoch >= (SELECT sessions_from FROM users WHERE id = $1) AND expires_at > $2 ORDER BY ended_at DESC, epoch DESC, id DESC LIMIT $5) AS counted",
        )
        .bind(&user.0)
        .bind(now)
        .bind(after.to_string())
        .bind(here.to_string())
        .bind(COUNT_CAP + 1)).await?;
        let Some(row) = row else { return Ok(Default::default()) };
        let all = Counted::of(row.get("total")?);
        // If not all sessions were counted, `here` may be among the others.
        let before = all.exactly().map(|_| row.get("earlier")).transpose()?;
        Ok((all, before.map_or(Counted::default(), Counted::of)))
    }
}

/// Cuts a page to its length. Returns the last session of the page if anything was cut.
fn cut(sessions: &mut Vec<Session>, limit: usize) -> Option<SessionId> {
    let more = sessions.len() > limit;
    sessions.truncate(limit);
    sessions.last().filter(|_| more).map(|last| last.id)
}
