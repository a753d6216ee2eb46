//! Accounts at rest.

use super::revocations::insert_for_user;
use super::session_ends::end_all;
use super::{Ending, NewSession, Store, StoreError};
use crate::engine::{Row, StoreTransaction, query};
use crate::{Account, EventKind, HashedPassword, NewEvent, NewUser, Revocation, UnixSeconds};
use latchkey_types::{Email, Role, UserId, Username};

impl Store {
    /// Makes an account and, for somebody who signs up, its first session. The very first account on an empty
    /// database becomes administrator where its [`InitialRole`] says so; a row in `meta` shuts that door for good, whatever
    /// becomes of the account. An imported account writes the row too: a stranger who signs up after an import must not
    /// become administrator. The role and the news, or nothing when the name is taken.
    pub async fn insert_user(
        &self,
        user: &NewUser<'_>,
        session: Option<&NewSession<'_>>,
    ) -> Result<Option<(Role, Vec<Revocation>)>, StoreError> {
        let mut tx = self.database.begin().await?;
        let made = tx.run(query("INSERT INTO users (id, username, email, password_hash, role, epoch, created_at) VALUES ($1, $2, $3, $4, $5, 0, $6) ON CONFLICT (username) DO NOTHING")
            .bind(&user.id.0)
            .bind(user.username.as_str())
            .bind(user.email.map(Email::as_str))
            .bind(user.password_hash.text)
            .bind(user.role.otherwise.as_str())
            .bind(user.created_at)).await?;
        if made == 0 {
            return Ok(None);
        }
        keep_kind(&mut tx, user.id, user.password_hash).await?;
        let first = tx
            .run(query("INSERT INTO meta (key, value) VALUES ('first_account', $1) ON CONFLICT (key) DO NOTHING").bind(&user.id.0))
            .await?;
        let role = if first == 1 { user.role.if_first } else { user.role.otherwise };
        if role != user.role.otherwise {
            tx.run(
                query("UPDATE users SET role = $1 WHERE id = $2")
                    .bind(role.as_str())
                    .bind(&user.id.0),
            )
            .await?;
        }
        let revocations = match session {
            Some(session) => session.insert(&mut tx, user.password_hash.text).await?.unwrap_or_default(),
            None => Vec::new(),
        };
        let event = NewEvent {
            user: user.id,
            kind: EventKind::SignedUp,
            client: user.client,
            at: user.created_at,
        };
        event.insert(&mut tx).await?;
        tx.commit().await?;
        Ok(Some((role, revocations)))
    }

    /// Whether no account was ever made.
    pub async fn never_had_an_account(&self) -> Result<bool, StoreError> {
        let first = self.database.one(query("SELECT 1 FROM meta WHERE key = 'first_account'")).await?;
        Ok(first.is_none())
    }

    /// The account of a name, with its password hash. Without a name nobody is found, in the same time.
    pub async fn credentials(&self, username: impl Into<Option<&Username>>) -> Result<Option<(Account, String)>, StoreError> {
        let username = username.into().map(Username::as_str);
        let row = self
            .database
            .one(query("SELECT * FROM users WHERE username = $1").bind(username))
            .await?;
        row.map(|row| Ok((account(&row, "id", "epoch")?, row.get("password_hash")?)))
            .transpose()
    }

    /// The account of an id.
    pub async fn user(&self, id: &UserId) -> Result<Option<Account>, StoreError> {
        let row = self
            .database
            .one(query("SELECT * FROM users WHERE id = $1 AND removed_at IS NULL").bind(&id.0))
            .await?;
        row.as_ref().map(|row| account(row, "id", "epoch")).transpose()
    }

    /// The accounts after a name, in the order of names.
    pub async fn users_after(&self, username: &str, limit: i64) -> Result<Vec<Account>, StoreError> {
        let rows = self
            .database
            .all(
                query("SELECT * FROM users WHERE username > $1 AND removed_at IS NULL ORDER BY username LIMIT $2")
                    .bind(username)
                    .bind(limit),
            )
            .await?;
        rows.iter().map(|row| account(row, "id", "epoch")).collect()
    }

    /// Sets a password, and begins a new epoch. `ending` says why all sessions of before end, if they do. In place of the one of
    /// the browser that asks, `session` begins. Returns the revocations and the new epoch; nothing happens when there is no such
    /// account any more, or it has another password than `replaced`, the hash that was verified, or the session that `session`
    /// replaces has ended.
    pub async fn set_password(
        &self,
        hash: HashedPassword<'_>,
        replaced: Option<&str>,
        ending: Option<&Ending>,
        session: Option<&NewSession<'_>>,
        event: &NewEvent<'_>,
    ) -> Result<Option<(Vec<Revocation>, i64)>, StoreError> {
        let mut tx = self.database.begin().await?;
        let set = tx
            .run(
                query("UPDATE users SET password_hash = $1, password_generation = password_generation + 1 WHERE id = $2 AND password_hash = COALESCE($3, password_hash) AND removed_at IS NULL")
                    .bind(hash.text)
                    .bind(&event.user.0)
                    .bind(replaced),
            )
            .await?;
        if set == 0 {
            return Ok(None);
        }
        keep_kind(&mut tx, event.user, hash).await?;
        let mut revocations = Vec::new();
        if let Some(session) = session {
            // Before all others end, which ends this one too.
            revocations = session.end_replaced(&mut tx).await?;
            if revocations.is_empty() {
                return Ok(None);
            }
        }
        let begun = match ending {
            Some(ending) => end_all(&mut tx, event.user, ending).await?,
            None => new_epoch(&mut tx, event.user, event.at).await?,
        };
        let Some((epoch, revocation)) = begun else { return Ok(None) };
        revocations.push(revocation);
        if let Some(session) = session
            && !session.insert_row(&mut tx, hash.text).await?
        {
            return Ok(None);
        }
        event.insert(&mut tx).await?;
        tx.commit().await?;
        Ok(Some((revocations, epoch)))
    }

    /// Puts another hash of the same password in the place of one. Nothing happens when it is not there any more.
    pub async fn upgrade_hash(&self, user: &UserId, outdated: &str, hash: HashedPassword<'_>) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        let upgraded = tx
            .run(
                query("UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3")
                    .bind(hash.text)
                    .bind(&user.0)
                    .bind(outdated),
            )
            .await?;
        if upgraded == 0 {
            return Ok(());
        }
        keep_kind(&mut tx, user, hash).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The kinds of hashes that accounts have now, and how many accounts have each, counted up to `count_cap`. Reads a few entries
    /// of an index for each kind, however many accounts there are.
    pub async fn hash_kinds(&self, count_cap: i64) -> Result<Vec<(String, i64)>, StoreError> {
        // A range in the order of the index, because PostgreSQL might look for a few equal values in the whole table.
        let rows = self
            .database
            .all(
                query(
                    "WITH RECURSIVE kinds (kind) AS (
                         SELECT MIN(hash_kind) FROM users
                         UNION ALL
                         SELECT (SELECT MIN(hash_kind) FROM users WHERE hash_kind > kinds.kind) FROM kinds WHERE kinds.kind IS NOT NULL
                     )
                     SELECT kind, (SELECT COUNT(*) FROM (
                         SELECT 1 FROM users WHERE hash_kind >= kinds.kind AND hash_kind <= kinds.kind AND removed_at IS NULL
                         ORDER BY hash_kind LIMIT $1
                     ) AS counted) AS accounts
                     FROM kinds WHERE kind IS NOT NULL",
                )
                .bind(count_cap),
            )
            .await?;
        let kinds = rows.iter().map(|row| Ok((row.get("kind")?, row.get("accounts")?)));
        // Rows of removed accounts stay for a while.
        kinds.filter(|kind| !matches!(kind, Ok((_, 0)))).collect()
    }

    /// Sets a role and begins a new epoch. Returns the revocation, or nothing when there is no such account.
    pub async fn set_role(&self, role: Role, event: &NewEvent<'_>) -> Result<Option<Vec<Revocation>>, StoreError> {
        let mut tx = self.database.begin().await?;
        let Some((_, revocation)) = new_epoch(&mut tx, event.user, event.at).await? else {
            return Ok(None);
        };
        tx.run(
            query("UPDATE users SET role = $1 WHERE id = $2")
                .bind(role.as_str())
                .bind(&event.user.0),
        )
        .await?;
        event.insert(&mut tx).await?;
        tx.commit().await?;
        Ok(Some(vec![revocation]))
    }

    /// Disables an account: its sessions end and nobody signs in to it. Returns the revocation, or nothing when there is no such
    /// account.
    pub async fn disable(&self, ending: &Ending, event: &NewEvent<'_>) -> Result<Option<Vec<Revocation>>, StoreError> {
        let mut tx = self.database.begin().await?;
        let Some((_, revocation)) = end_all(&mut tx, event.user, ending).await? else {
            return Ok(None);
        };
        tx.run(
            query("UPDATE users SET disabled_at = COALESCE(disabled_at, $1) WHERE id = $2")
                .bind(event.at)
                .bind(&event.user.0),
        )
        .await?;
        event.insert(&mut tx).await?;
        tx.commit().await?;
        Ok(Some(vec![revocation]))
    }

    /// Enables an account again. What was ended stays so. Whether there is such an account.
    pub async fn enable(&self, event: &NewEvent<'_>) -> Result<bool, StoreError> {
        let mut tx = self.database.begin().await?;
        let enabled = tx
            .run(query("UPDATE users SET disabled_at = NULL WHERE id = $1 AND removed_at IS NULL").bind(&event.user.0))
            .await?;
        if enabled == 0 {
            return Ok(false);
        }
        event.insert(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Sets the email address, or none; where the password was given again, `proven` holds the session that begins in place
    /// of the one that asks, and the hash that was verified. The news, or nothing when there is no such account any more, it
    /// has another password, or the session that is replaced is over.
    pub async fn set_email(
        &self,
        email: Option<&Email>,
        proven: Option<(&NewSession<'_>, &str)>,
        event: &NewEvent<'_>,
    ) -> Result<Option<Vec<Revocation>>, StoreError> {
        let mut tx = self.database.begin().await?;
        let mut revocations = Vec::new();
        if let Some((session, hash)) = proven {
            revocations = session.end_replaced(&mut tx).await?;
            if revocations.is_empty() || !session.insert_row(&mut tx, hash).await? {
                return Ok(None);
            }
        }
        let set = tx
            .run(
                query("UPDATE users SET email = $2 WHERE id = $1 AND removed_at IS NULL")
                    .bind(&event.user.0)
                    .bind(email.map(Email::as_str)),
            )
            .await?;
        if set == 0 {
            return Ok(None);
        }
        event.insert(&mut tx).await?;
        tx.commit().await?;
        Ok(Some(revocations))
    }
}

/// Writes down of which kind the hash of an account is.
async fn keep_kind(tx: &mut StoreTransaction, user: &UserId, hash: HashedPassword<'_>) -> Result<(), StoreError> {
    tx.run(query("UPDATE users SET hash_kind = $1 WHERE id = $2").bind(hash.kind).bind(&user.0))
        .await?;
    Ok(())
}

/// Makes every access token of a user stale: its session goes on, and the next one says what holds then. Returns the new epoch.
async fn new_epoch(tx: &mut StoreTransaction, user: &UserId, at: UnixSeconds) -> Result<Option<(i64, Revocation)>, StoreError> {
    let begun = query("UPDATE users SET epoch = epoch + 1 WHERE id = $1 AND removed_at IS NULL RETURNING epoch");
    let Some(row) = tx.one(begun.bind(&user.0)).await? else {
        return Ok(None);
    };
    let epoch = row.get("epoch")?;
    Ok(Some((epoch, insert_for_user(tx, user, epoch, at).await?)))
}

/// The account that a row holds; its id and epoch stand in the columns of these names.
pub(super) fn account(row: &Row, id: &str, epoch: &str) -> Result<Account, StoreError> {
    let role: String = row.get("role")?;
    Ok(Account {
        id: UserId(row.get(id)?),
        username: row.get("username")?,
        email: row.get("email")?,
        role: Role::parse(&role).ok_or(StoreError::Corrupt("role"))?,
        epoch: row.get(epoch)?,
        created_at: row.get("created_at")?,
        disabled_at: row.get("disabled_at")?,
        password_generation: row.get("password_generation")?,
    })
}
