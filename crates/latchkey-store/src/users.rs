//! Stores accounts.

use super::revocations::insert_for_user;
use super::session_ends::end_all;
use super::sessions::Owner;
use super::{Ending, NewSession, Store, StoreError};
use crate::engine::{Row, StoreTransaction, query};
use crate::{Account, EventKind, HashedPassword, NewEvent, NewUser, Revocation, UnixSeconds};
use latchkey_types::{Email, Role, UserId, Username};

impl Store {
    /// Creates an account and, for a sign-up, its first session. The very first account of an empty database becomes
    /// administrator if its [`InitialRole`](crate::InitialRole) says so. A row in `meta` makes this happen only once, even if that account is removed
    /// later. An imported account writes this row too, because a stranger who signs up after an import must not become
    /// administrator. Returns the role and the revocations, or `None` when the name is taken.
    pub async fn insert_user(
        &self,
        user: &NewUser<'_>,
        session: Option<&NewSession>,
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
        set_hash_kind(&mut tx, user.id, user.password_hash).await?;
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
            Some(session) => {
                let owner = Owner {
                    user: user.id,
                    client: user.client,
                    password_hash: user.password_hash.text,
                };
                session.insert(&mut tx, &owner).await?.unwrap_or_default()
            }
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

    /// Returns whether no account has ever been created.
    pub async fn never_had_an_account(&self) -> Result<bool, StoreError> {
        let first = self.database.one(query("SELECT 1 FROM meta WHERE key = 'first_account'")).await?;
        Ok(first.is_none())
    }

    /// Returns the account with a sign-in name, and its password hash. Without a name it finds no account, in the same time.
    pub async fn credentials(&self, username: impl Into<Option<&Username>>) -> Result<Option<(Account, String)>, StoreError> {
        let username = username.into().map(Username::as_str);
        let row = self
            .database
            .one(query("SELECT * FROM users WHERE username = $1").bind(username))
            .await?;
        row.map(|row| Ok((account(&row, "id", "epoch")?, row.get("password_hash")?)))
            .transpose()
    }

    /// Returns the account with an id.
    pub async fn user(&self, id: &UserId) -> Result<Option<Account>, StoreError> {
        let row = self
            .database
            .one(query("SELECT * FROM users WHERE id = $1 AND removed_at IS NULL").bind(&id.0))
            .await?;
        row.as_ref().map(|row| account(row, "id", "epoch")).transpose()
    }

    /// Returns the accounts whose names come after `username`, ordered by name.
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

    /// Sets a password and begins a new epoch. If `ending` is given, all existing sessions end for that reason. `session` begins
    /// in place of the session of the browser that asks. Returns the revocations and the new epoch. Returns `None` and changes
    /// nothing when the account does not exist any more, when its password hash is not `replaced` (the hash that was verified),
    /// or when the session that `session` replaces has ended.
    pub async fn set_password(
        &self,
        hash: HashedPassword<'_>,
        replaced: Option<&str>,
        ending: Option<&Ending>,
        session: Option<&NewSession>,
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
        set_hash_kind(&mut tx, event.user, hash).await?;
        let mut revocations = Vec::new();
        if let Some(session) = session {
            // Do this before all other sessions end, because that ends this one too.
            revocations = session.end_replaced(&mut tx, event.user).await?;
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
            && !session.insert_row(&mut tx, &owner_of(event, hash.text)).await?
        {
            return Ok(None);
        }
        event.insert(&mut tx).await?;
        tx.commit().await?;
        Ok(Some((revocations, epoch)))
    }

    /// Replaces a password hash by another hash of the same password. Does nothing when the account has a different hash by now.
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
        set_hash_kind(&mut tx, user, hash).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Returns the kinds of password hashes in use and how many accounts have each, counted up to `count_cap`. Reads a few index
    /// entries per kind, however many accounts there are.
    pub async fn hash_kinds(&self, count_cap: i64) -> Result<Vec<(String, i64)>, StoreError> {
        // A range in index order, because for equality PostgreSQL might search the whole table for a few rows.
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
        // The rows of removed accounts stay until they are purged.
        kinds.filter(|kind| !matches!(kind, Ok((_, 0)))).collect()
    }

    /// Sets a role and begins a new epoch. Returns the revocation, or `None` when there is no such account.
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

    /// Disables an account: its sessions end and no one can sign in to it. Returns the revocation, or `None` when there is no
    /// such account.
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

    /// Enables an account again. Its ended sessions stay ended. Returns whether there is such an account.
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

    /// Sets or removes the email address. If the password was entered again, `proven` holds the session that begins in place of
    /// the one that asks, and the hash that was verified. Returns the revocations, or `None` when the account does not exist any
    /// more, its password has changed, or the session to be replaced has ended.
    pub async fn set_email(
        &self,
        email: Option<&Email>,
        proven: Option<(&NewSession, &str)>,
        event: &NewEvent<'_>,
    ) -> Result<Option<Vec<Revocation>>, StoreError> {
        let mut tx = self.database.begin().await?;
        let mut revocations = Vec::new();
        if let Some((session, hash)) = proven {
            revocations = session.end_replaced(&mut tx, event.user).await?;
            if revocations.is_empty() || !session.insert_row(&mut tx, &owner_of(event, hash)).await? {
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

/// Stores the kind of an account's password hash.
async fn set_hash_kind(tx: &mut StoreTransaction, user: &UserId, hash: HashedPassword<'_>) -> Result<(), StoreError> {
    tx.run(query("UPDATE users SET hash_kind = $1 WHERE id = $2").bind(hash.kind).bind(&user.0))
        .await?;
    Ok(())
}

/// Returns the owner of a session that begins with a change of the account.
const fn owner_of<'a>(event: &NewEvent<'a>, password_hash: &'a str) -> Owner<'a> {
    Owner {
        user: event.user,
        client: event.client,
        password_hash,
    }
}

/// Makes every access token of a user stale. The sessions go on, and their next tokens carry the new state of the account.
/// Returns the new epoch.
async fn new_epoch(tx: &mut StoreTransaction, user: &UserId, at: UnixSeconds) -> Result<Option<(i64, Revocation)>, StoreError> {
    let begun = query("UPDATE users SET epoch = epoch + 1 WHERE id = $1 AND removed_at IS NULL RETURNING epoch");
    let Some(row) = tx.one(begun.bind(&user.0)).await? else {
        return Ok(None);
    };
    let epoch = row.get("epoch")?;
    Ok(Some((epoch, insert_for_user(tx, user, epoch, at).await?)))
}

/// Reads an account from a row; `id` and `epoch` name the columns of its id and epoch.
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
