//! Sessions at rest.

use sqlx::{Sqlite, Transaction};

use super::{Store, StoreError};
use crate::domain::UserId;
use crate::server::clock::UnixSeconds;
use crate::server::sessions::Client;

/// A session to be begun.
pub struct NewSession<'a> {
    /// The token's `sid`.
    pub id: &'a str,
    /// Whose it is.
    pub user: &'a UserId,
    /// Who asked for it.
    pub client: &'a Client,
    /// Now.
    pub started_at: UnixSeconds,
    /// When it ends by itself.
    pub expires_at: UnixSeconds,
}

impl NewSession<'_> {
    pub(super) async fn insert(&self, change: &mut Transaction<'static, Sqlite>) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO sessions (id, user_id, client, user_agent, started_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(self.id)
            .bind(&self.user.0)
            .bind(self.client.kind.as_str())
            .bind(&self.client.user_agent)
            .bind(self.started_at)
            .bind(self.expires_at)
            .execute(&mut **change)
            .await?;
        Ok(())
    }
}

impl Store {
    /// Begins a session; one that it takes the place of in the same browser ends.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn insert_session(&self, session: &NewSession<'_>, replaced: Option<&str>) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        session.insert(&mut change).await?;
        if let Some(replaced) = replaced {
            end(&mut change, replaced, "replaced", session.started_at).await?;
        }
        change.commit().await?;
        Ok(())
    }

    /// Ends a session. Ending it twice changes nothing.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn end_session(&self, id: &str, reason: &str, now: UnixSeconds) -> Result<(), StoreError> {
        let mut change = self.change().await?;
        end(&mut change, id, reason, now).await?;
        change.commit().await?;
        Ok(())
    }
}

async fn end(change: &mut Transaction<'static, Sqlite>, id: &str, reason: &str, now: UnixSeconds) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE id = $3 AND ended_at IS NULL")
        .bind(now)
        .bind(reason)
        .bind(id)
        .execute(&mut **change)
        .await?;
    Ok(())
}
