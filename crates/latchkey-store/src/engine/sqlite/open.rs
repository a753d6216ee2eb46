//! Opens a database file: checks that its write-ahead log belongs to it, creates it or brings its tables up to date if the
//! command may do so, and gives it a new id at each start of the server.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, raw_sql};
use uuid::Uuid;

use super::files::{beside, create_private, exists, has_log, restrict_all};
use super::{TIMEOUT, migrations};
use crate::StoreError;
use crate::engine::migrations::Applied;
use crate::engine::sqlite::file_identity::FileIdentity;
use crate::engine::sqlite::file_lock::{FileLock, FileLockMode, read_ids};
use crate::engine::{Inspection, KEY_SALT, OpenMode};

/// A database file that may be opened for as long as the lock is held.
pub struct Prepared {
    pub identity: FileIdentity,
    pub lock: FileLock,
    /// The ids that the file may have.
    pub ids: Vec<u32>,
}

/// Returns the options of every connection.
pub fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // Durable before the response: an acknowledged change survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(TIMEOUT)
}

/// Prepares the file for opening, as far as the mode allows, and takes the shared lock. Fails when the mode does not allow to
/// create or migrate the database, when its schema is newer, when its write-ahead log belongs to another file, or when the lock
/// cannot be taken.
pub async fn prepare(path: &Path, mode: OpenMode) -> Result<Prepared, StoreError> {
    // Check before the lock file is created, so that a refused command leaves no file behind.
    if mode != OpenMode::Migrate && !beside(path, "-lock").exists() {
        refuse_early(path, mode).await?;
    }
    let lock = FileLock::open(path)?;
    loop {
        let exclusive = lock.lock().await? == FileLockMode::Exclusive;
        if let Some(identity) = try_prepare(path, mode, &lock, exclusive).await? {
            if exclusive {
                lock.share().await?;
            }
            let ids = lock.ids()?;
            identity.check(&ids)?;
            return Ok(Prepared { identity, lock, ids });
        }
        lock.retry().await?;
    }
}

/// Takes the shared lock on an existing file, to read it on a connection of its own. Fails when the write-ahead log belongs to
/// another file or when the lock cannot be taken.
pub async fn attach(path: &Path) -> Result<(FileIdentity, FileLock), StoreError> {
    let lock = FileLock::open(path)?;
    let exclusive = lock.lock().await? == FileLockMode::Exclusive;
    let identity = FileIdentity::of(path).map_err(sqlx::Error::Io)?;
    refuse_foreign(path, &identity, &lock.ids()?, exclusive)?;
    if exclusive {
        lock.share().await?;
        refuse_foreign(path, &identity, &lock.ids()?, exclusive)?;
    }
    Ok((identity, lock))
}

/// Reads what can be known about a file, without changing it and without creating a file beside it. Returns `None` when there is
/// no database. Fails when its write-ahead log belongs to another file.
pub async fn inspect(path: &Path) -> Result<Option<Inspection>, StoreError> {
    if !exists(path).map_err(sqlx::Error::Io)? {
        return Ok(None);
    }
    let identity = FileIdentity::of(path).map_err(sqlx::Error::Io)?;
    refuse_foreign(path, &identity, &read_ids(path), true)?;
    // Reading a log needs its index, which SQLite creates if it is missing. Without a log only the file itself is read.
    let in_use = has_log(path);
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(!in_use)
        .busy_timeout(TIMEOUT)
        .connect()
        .await?;
    let inspected = inspect_tables(&mut connection).await;
    connection.close().await?;
    inspected
}

async fn inspect_tables(connection: &mut SqliteConnection) -> Result<Option<Inspection>, StoreError> {
    let steps = migrations::sqlite();
    let (applied, renamings) = if has_table(connection, migrations::TABLE).await? {
        (read_applied(connection, migrations::APPLIED).await?, 0)
    } else if has_table(connection, migrations::FORMER_TABLE).await? {
        let applied = read_applied(connection, migrations::FORMERLY_APPLIED).await?;
        if !migrations::are_ours(&steps, &applied) {
            return Ok(None);
        }
        (applied, 1)
    } else {
        return Ok(None);
    };
    // The database was created, and interrupted before the first migration.
    if applied.is_empty() {
        return Ok(None);
    }
    let pending_migrations = migrations::pending(&steps, &applied)? + renamings;
    let key_salt: Option<(String,)> = sqlx::query_as(KEY_SALT).fetch_optional(connection).await?;
    Ok(Some(Inspection {
        pending_migrations,
        key_salt: key_salt.map(|(salt,)| salt).unwrap_or_default(),
    }))
}

async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, StoreError> {
    let (tables,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1")
        .bind(name)
        .fetch_one(connection)
        .await?;
    Ok(tables > 0)
}

async fn read_applied(connection: &mut SqliteConnection, statement: &'static str) -> Result<Vec<Applied>, StoreError> {
    Ok(sqlx::query_as(statement).fetch_all(connection).await?)
}

/// Renames the table of migrations of the first versions, then applies the pending migrations.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let steps = migrations::sqlite();
    if !has_table(connection, migrations::TABLE).await? && has_table(connection, migrations::FORMER_TABLE).await? {
        let applied = read_applied(connection, migrations::FORMERLY_APPLIED).await?;
        if migrations::are_ours(&steps, &applied) {
            raw_sql(migrations::RENAME).execute(&mut *connection).await?;
        }
    }
    steps.run(connection).await.map_err(migrations::error)
}

async fn refuse_early(path: &Path, mode: OpenMode) -> Result<(), StoreError> {
    let found = inspect(path).await?;
    mode.accept(found.map(|found| found.pending_migrations)).map(drop)
}

/// Prepares the file. Returns `None` when that needs the exclusive lock and the lock is only shared.
async fn try_prepare(path: &Path, mode: OpenMode, lock: &FileLock, exclusive: bool) -> Result<Option<FileIdentity>, StoreError> {
    if !exists(path).map_err(sqlx::Error::Io)? {
        if mode == OpenMode::Existing {
            return Err(StoreError::NoDatabase);
        }
        if !exclusive {
            return Ok(None);
        }
        if has_log(path) {
            return Err(foreign_log(path));
        }
        create_private(path).map_err(|error| StoreError::File(format!("the file cannot be created: {error}")))?;
    }
    restrict_all(path);
    let identity = FileIdentity::of(path).map_err(sqlx::Error::Io)?;
    let known = lock.ids()?;
    refuse_foreign(path, &identity, &known, exclusive)?;
    let id = identity.id().map_err(sqlx::Error::Io)?;
    let migrate = mode.accept(inspect(path).await?.map(|found| found.pending_migrations))?;
    if !exclusive {
        return Ok((!migrate).then_some(identity));
    }
    if id != 0 && !known.is_empty() && !known.contains(&id) {
        tracing::warn!(
            "the database file was replaced by another one: sessions that ended after that file was made are valid again; run `latchkey user end-sessions --all` to end every session"
        );
    }
    if migrate || mode == OpenMode::Migrate || id == 0 || !known.contains(&id) {
        renew(path, &identity, lock, id, migrate).await?;
    }
    Ok(Some(identity))
}

/// Brings the tables up to date if that is due, and gives the file a new id. The lock file names both ids until the new one has
/// reached the file itself.
async fn renew(path: &Path, identity: &FileIdentity, lock: &FileLock, id: u32, is_due: bool) -> Result<(), StoreError> {
    let new = new_id();
    // Do this before SQLite writes a log, because the next start has to recognise that log.
    lock.set_ids(&[id, new])?;
    let mut connection = options(path).connect().await?;
    if is_due {
        migrate(&mut connection).await?;
    }
    set_id(&mut connection, new).await?;
    raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    connection.close().await?;
    if identity.id().map_err(sqlx::Error::Io)? == new {
        lock.set_ids(&[new])?;
    }
    Ok(())
}

/// Writes an id into the header of a database.
pub async fn set_id(connection: &mut SqliteConnection, id: u32) -> Result<(), StoreError> {
    let statement = format!("PRAGMA user_version = {}", id.cast_signed());
    raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// Returns a random id, never 0.
pub fn new_id() -> u32 {
    // The last bytes of such a UUID are random. The id only tells files apart, so it need not come from the generator of keys,
    // whose first number takes 50 ms on some machines.
    let [.., a, b, c, d] = Uuid::now_v7().into_bytes();
    u32::from_be_bytes([a, b, c, d]).max(1)
}

fn refuse_foreign(path: &Path, identity: &FileIdentity, known: &[u32], exclusive: bool) -> Result<(), StoreError> {
    let id = identity.id().map_err(sqlx::Error::Io)?;
    if known.is_empty() || known.contains(&id) || (exclusive && !has_log(path)) {
        return Ok(());
    }
    Err(foreign_log(path))
}

fn foreign_log(path: &Path) -> StoreError {
    StoreError::File(format!(
        "the write-ahead log beside it ({}) belongs to another database file, and applying it would destroy this one; if this one is a backup, stop the server, move the backup to another place and run `latchkey restore` with it",
        beside(path, "-wal").display()
    ))
}
