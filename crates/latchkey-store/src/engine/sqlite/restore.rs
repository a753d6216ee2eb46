//! Replaces a database file by a backup.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, raw_sql};

use super::files::{beside, create_private, exists, has_log};
use super::open::{inspect, new_id, options, set_id};
use crate::engine::sqlite::file_identity::FileIdentity;
use crate::engine::sqlite::file_lock::FileLock;
use crate::engine::{Restored, SET_KEY_SALT};
use crate::{EndReason, StoreError, UnixSeconds};

/// Replaces the database by a copy of a backup, with a new salt for the token keys and with every session ended, so that what
/// ended after the backup was made does not become live again. The replaced database is kept beside it. Fails when a program has
/// the database open, or when the backup is damaged or is not a database of this program; nothing is changed then.
pub async fn restore(database: &Path, backup: &Path, salt: &str, now: UnixSeconds) -> Result<Restored, StoreError> {
    if same_file(database, backup) {
        return Err(refused("this is the database itself: name a backup that is in another place"));
    }
    let lock = FileLock::open(database)?;
    if !lock.try_lock()? {
        return Err(refused(
            "a server or another command has the database open: stop it, then repeat the restore",
        ));
    }
    let draft = beside(database, "-restore");
    remove(&draft)?;
    create_private(&draft).map_err(|error| cannot("create", &draft, &error))?;
    let done = async {
        let (accounts, pending_migrations) = copy(backup, &draft, salt, now).await?;
        let kept = put_in_place(database, &draft, &lock).await?;
        Ok(Restored {
            accounts,
            pending_migrations,
            kept,
        })
    };
    let done = done.await;
    if done.is_err() {
        let _ = fs::remove_file(&draft);
    }
    done
}

/// Gives a copy of a database an id of its own.
pub async fn change_id(copy: &Path) -> Result<(), StoreError> {
    let mut connection = single_file_options(copy).connect().await?;
    set_id(&mut connection, new_id()).await?;
    Ok(connection.close().await?)
}

/// Returns the options for a file that no other program has open and that needs no log beside it.
fn single_file_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).synchronous(SqliteSynchronous::Full)
}

/// Copies the backup if it is intact. Returns how many accounts it has and how many migrations it still needs.
async fn copy(backup: &Path, draft: &Path, salt: &str, now: UnixSeconds) -> Result<(i64, usize), StoreError> {
    if !exists(backup).map_err(|error| cannot("read", backup, &error))? {
        return Err(refused("there is no such file"));
    }
    let found = inspect(backup)
        .await?
        .ok_or_else(|| refused("it holds no database of this program"))?;
    let mut source = SqliteConnectOptions::new()
        .filename(backup)
        .read_only(true)
        .immutable(!has_log(backup))
        .connect()
        .await?;
    let intact = check_integrity(&mut source).await;
    let copied = match intact {
        Ok(()) => sqlx::query("VACUUM INTO $1")
            .bind(draft.to_string_lossy().into_owned())
            .execute(&mut source)
            .await
            .map(drop)
            .map_err(StoreError::from),
        Err(error) => Err(error),
    };
    source.close().await?;
    copied?;
    let accounts = prepare(draft, salt, now).await?;
    Ok((accounts, found.pending_migrations))
}

async fn check_integrity(source: &mut SqliteConnection) -> Result<(), StoreError> {
    let (first,): (String,) = sqlx::query_as("PRAGMA integrity_check(1)").fetch_one(source).await?;
    if first == "ok" {
        Ok(())
    } else {
        Err(refused(&format!("it is damaged ({first}): restore another backup")))
    }
}

async fn prepare(draft: &Path, salt: &str, now: UnixSeconds) -> Result<i64, StoreError> {
    let mut connection = single_file_options(draft).foreign_keys(true).connect().await?;
    let mut tx = connection.begin().await?;
    sqlx::query(SET_KEY_SALT).bind(salt).execute(&mut *tx).await?;
    // No token is valid for them any more. The statement uses only columns of the first version, because the backup may be that
    // old.
    sqlx::query("UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE ended_at IS NULL")
        .bind(now)
        .bind(EndReason::Operator.as_str())
        .execute(&mut *tx)
        .await?;
    let (accounts,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM users").fetch_one(&mut *tx).await?;
    tx.commit().await?;
    set_id(&mut connection, new_id()).await?;
    connection.close().await?;
    Ok(accounts)
}

/// Exchanges the files. If this is interrupted at any point, the next start finds the old database or the restored one, or it
/// refuses a log that belongs to neither.
async fn put_in_place(database: &Path, draft: &Path, lock: &FileLock) -> Result<Option<PathBuf>, StoreError> {
    let kept = keep(database, lock).await?;
    // No file has this id, so a log that is left over is refused until it is removed.
    lock.set_ids(&[new_id()])?;
    fs::rename(draft, database).map_err(|error| cannot("replace", database, &error))?;
    for suffix in ["-wal", "-shm", "-journal"] {
        remove(&beside(database, suffix))?;
    }
    let identity = FileIdentity::of(database).map_err(sqlx::Error::Io)?;
    sync_directory(database).map_err(|error| cannot("replace", database, &error))?;
    lock.set_ids(&[identity.id().map_err(sqlx::Error::Io)?])?;
    Ok(kept)
}

/// Gives the present file a second name, after the content of its log was written into it.
async fn keep(database: &Path, lock: &FileLock) -> Result<Option<PathBuf>, StoreError> {
    if !exists(database).map_err(|error| cannot("read", database, &error))? {
        return Ok(None);
    }
    if has_log(database) {
        let identity = FileIdentity::of(database).map_err(sqlx::Error::Io)?;
        let (ids, id) = (lock.ids()?, identity.id().map_err(sqlx::Error::Io)?);
        if ids.is_empty() || ids.contains(&id) {
            // A damaged file may be the reason for the restore; it is kept as it is.
            let _ = apply_log(database).await;
        }
    }
    let kept = beside(database, "-replaced");
    remove(&kept)?;
    fs::hard_link(database, &kept).map_err(|error| cannot("keep", database, &error))?;
    Ok(Some(kept))
}

async fn apply_log(database: &Path) -> Result<(), StoreError> {
    let mut connection = options(database).connect().await?;
    raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

fn sync_directory(file: &Path) -> io::Result<()> {
    let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("remove", path, &error)),
        _ => Ok(()),
    }
}

fn refused(reason: &str) -> StoreError {
    StoreError::File(reason.to_owned())
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::File(format!("cannot {what} {}: {error}", path.display()))
}
