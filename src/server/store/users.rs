//! Accounts at rest.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{NewSession, Store, StoreError};
use crate::domain::{Email, Role, UserId, Username};
use crate::server::accounts::Account;
use crate::server::clock::UnixSeconds;

/// An account to be made.
pub struct NewUser<'a> {
    /// Its immutable id.
    pub id: &'a UserId,
    /// Its name.
    pub username: &'a Username,
    /// Its address, if it has one.
    pub email: Option<&'a Email>,
    /// PHC string.
    pub password_hash: &'a str,
    /// What it may do, unless it is the first one.
    pub role: Role,
    /// Now.
    pub created_at: UnixSeconds,
}

impl Store {
    /// Makes an account and, for somebody who signs up, its first session. The very first account on an empty
    /// database becomes administrator; a row in `meta` shuts that door for good, whatever becomes of the
    /// account. `None` when the name is taken.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn insert_user(&self, user: &NewUser<'_>, session: Option<&NewSession<'_>>) -> Result<Option<Role>, StoreError> {
        let mut change = self.change().await?;
        let made = sqlx::query("INSERT INTO users (id, username, email, password_hash, role, epoch, created_at) VALUES ($1, $2, $3, $4, $5, 0, $6) ON CONFLICT (username) DO NOTHING")
            .bind(&user.id.0)
            .bind(user.username.as_str())
            .bind(user.email.map(Email::as_str))
            .bind(user.password_hash)
            .bind(user.role.as_str())
            .bind(user.created_at)
            .execute(&mut *change)
            .await?;
        if made.rows_affected() == 0 {
            return Ok(None);
        }
        let first = sqlx::query("INSERT INTO meta (key, value) VALUES ('first_account', $1) ON CONFLICT (key) DO NOTHING")
            .bind(&user.id.0)
            .execute(&mut *change)
            .await?;
        let role = if first.rows_affected() == 1 { Role::Admin } else { user.role };
        if role != user.role {
            sqlx::query("UPDATE users SET role = $1 WHERE id = $2")
                .bind(role.as_str())
                .bind(&user.id.0)
                .execute(&mut *change)
                .await?;
        }
        if let Some(session) = session {
            session.insert(&mut change).await?;
        }
        change.commit().await?;
        Ok(Some(role))
    }

    /// Whether no account was ever made.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn never_had_an_account(&self) -> Result<bool, StoreError> {
        let first = sqlx::query("SELECT 1 FROM meta WHERE key = 'first_account'")
            .fetch_optional(&self.reader)
            .await?;
        Ok(first.is_none())
    }

    /// The account of a name, with its password hash.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn credentials(&self, username: &Username) -> Result<Option<(Account, String)>, StoreError> {
        let row = sqlx::query("SELECT * FROM users WHERE username = $1")
            .bind(username.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| Ok((account(&row)?, row.try_get("password_hash")?))).transpose()
    }

    /// The account of an id.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn user(&self, id: &UserId) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query("SELECT * FROM users WHERE id = $1")
            .bind(&id.0)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(account).transpose()
    }

    /// The accounts after a name, in the order of names.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn users_after(&self, username: &str, limit: i64) -> Result<Vec<Account>, StoreError> {
        let rows = sqlx::query("SELECT * FROM users WHERE username > $1 ORDER BY username LIMIT $2")
            .bind(username)
            .bind(limit)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(account).collect()
    }

    /// Sets a password and begins a new epoch. Whether there is such an account.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn set_password(&self, username: &Username, hash: &str) -> Result<bool, StoreError> {
        let mut change = self.change().await?;
        let done = sqlx::query("UPDATE users SET password_hash = $1, epoch = epoch + 1 WHERE username = $2")
            .bind(hash)
            .bind(username.as_str())
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Sets a role and begins a new epoch. Whether there is such an account.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn set_role(&self, username: &Username, role: Role) -> Result<bool, StoreError> {
        let mut change = self.change().await?;
        let done = sqlx::query("UPDATE users SET role = $1, epoch = epoch + 1 WHERE username = $2")
            .bind(role.as_str())
            .bind(username.as_str())
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes an account and its sessions. Whether there was one.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn remove_user(&self, username: &Username) -> Result<bool, StoreError> {
        let mut change = self.change().await?;
        let done = sqlx::query("DELETE FROM users WHERE username = $1")
            .bind(username.as_str())
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(done.rows_affected() == 1)
    }
}

fn account(row: &SqliteRow) -> Result<Account, StoreError> {
    let role: String = row.try_get("role")?;
    Ok(Account {
        id: UserId(row.try_get("id")?),
        username: row.try_get("username")?,
        email: row.try_get("email")?,
        role: Role::parse(&role).ok_or(StoreError::Corrupt("role"))?,
        epoch: row.try_get("epoch")?,
        created_at: row.try_get("created_at")?,
        disabled_at: row.try_get("disabled_at")?,
    })
}
