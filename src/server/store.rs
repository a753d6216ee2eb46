//! The database: named questions and changes, no rules.
//!
//! Every change stands in an explicit transaction: with sqlx on SQLite an autocommit
//! `UPDATE … RETURNING` can say Ok although its commit failed.

mod events;
mod revocations;
mod sessions;
mod throttles;
mod users;

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Sqlite, Transaction};
use thiserror::Error;
use tokio::task::spawn_blocking;

pub use sessions::{NewSession, Which};
pub use users::NewUser;

use super::clock::UnixSeconds;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Longest wait for a lock or a connection: below any client's patience, so that trouble becomes a 503.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that read at the same time.
const READERS: u32 = 4;

/// What can go wrong with a question or a change.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database cannot be reached, is locked for too long or cannot write.
    #[error("the database cannot be used: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// The migrations do not fit the database.
    #[error("{0}")]
    Migration(String),
    /// The file is not where it was.
    #[error("{0}")]
    Moved(&'static str),
    /// A row holds what this program never writes.
    #[error("the database holds an unknown {0}")]
    Corrupt(&'static str),
}

impl StoreError {
    /// It did not answer in time.
    pub const fn slow() -> Self {
        Self::Unavailable(sqlx::Error::PoolTimedOut)
    }
}

/// A change under way. Dropped without a commit, it never was.
type Change = Transaction<'static, Sqlite>;

/// The open database. One connection writes, so that writers queue here instead of failing on each
/// other's locks; others read beside it (WAL).
#[derive(Clone)]
pub struct Store {
    file: DataFile,
    reader: SqlitePool,
    writer: SqlitePool,
}

impl Store {
    /// Opens the file, made if it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be used or belongs to a newer program.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            // Durable before the answer: an acknowledged change survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let pool = |connections| {
            // When a disk is full SQLite undoes a change by itself. sqlx then fails to undo it once more, believes ever after
            // that it is under way, and could begin no other on this connection.
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
                .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        };
        // Made here and nowhere else: a file that vanishes later is not made anew.
        options.clone().create_if_missing(true).connect().await?.close().await?;
        let writer = pool(1).connect_with(options.clone()).await?;
        {
            let _alone = lock(file).await?;
            MIGRATIONS.run(&writer).await.map_err(migration_error)?;
        }
        let reader = pool(READERS).connect_with(options.read_only(true)).await?;
        Ok(Self {
            file: DataFile::at(file).map_err(sqlx::Error::Io)?,
            reader,
            writer,
        })
    }

    /// How many migrations a file still needs, found out without changing it.
    ///
    /// # Errors
    /// When the file cannot be read or belongs to a newer program.
    pub async fn pending_migrations(file: &Path) -> Result<usize, StoreError> {
        let mut connection = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .busy_timeout(PATIENCE)
            .connect()
            .await?;
        let applied: Vec<(i64,)> = sqlx::query_as("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(&mut connection)
            .await?;
        connection.close().await?;
        if let Some((version,)) = applied.iter().find(|(version,)| !MIGRATIONS.version_exists(*version)) {
            return Err(migration_error(MigrateError::VersionMissing(*version)));
        }
        Ok(MIGRATIONS.iter().count() - applied.len())
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1 FROM meta").fetch_optional(self.reader()?).await?;
        Ok(())
    }

    /// Copies everything as it stands at one moment into an empty file. Nobody waits for it: it only reads.
    ///
    /// # Errors
    /// When the database cannot be read or the file not be written.
    pub async fn copy_to(&self, file: &str) -> Result<(), StoreError> {
        sqlx::query("VACUUM INTO $1").bind(file).execute(self.reader()?).await?;
        Ok(())
    }

    /// Waits for what is under way and closes the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// Where to read.
    fn reader(&self) -> Result<&SqlitePool, StoreError> {
        self.file.check()?;
        Ok(&self.reader)
    }

    /// Removes a batch of rows by a statement that is told how old and how many. How many there were.
    async fn remove(&self, statement: &'static str, before: UnixSeconds, limit: i64) -> Result<u64, StoreError> {
        let mut change = self.change().await?;
        let removed = sqlx::query(statement).bind(before).bind(limit).execute(&mut *change).await?;
        change.commit().await?;
        Ok(removed.rows_affected())
    }

    /// Begins a change. `IMMEDIATE` takes the write lock at once: taking it later, after reading, fails
    /// whenever another program wrote in between.
    async fn change(&self) -> Result<Change, StoreError> {
        self.file.check()?;
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// The file that was opened. An open file can be moved or removed: what is then written to it, nobody would find again.
#[derive(Clone)]
struct DataFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl DataFile {
    fn at(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// Whether it is still where it was.
    fn check(&self) -> Result<(), StoreError> {
        match self.path.metadata() {
            Ok(now) if (now.dev(), now.ino()) == (self.device, self.inode) => Ok(()),
            Ok(_) => Err(StoreError::Moved(
                "another file is in the place of the database: put it back, or restart",
            )),
            Err(_) => Err(StoreError::Moved("the file of the database is gone: put it back")),
        }
    }
}

/// Waits until no other program brings the tables of this file up to date, and keeps others waiting until it is
/// dropped. On a file beside it: to open and close the database itself would drop SQLite's own locks on it.
async fn lock(file: &Path) -> Result<File, StoreError> {
    let mut beside = file.as_os_str().to_owned();
    beside.push("-lock");
    let locked = spawn_blocking(move || {
        let file = File::create(beside)?;
        file.lock()?;
        Ok(file)
    });
    let locked = locked.await.map_err(io::Error::other).flatten();
    locked.map_err(|error: io::Error| StoreError::Migration(format!("the tables could not be locked to bring them up to date: {error}")))
}

fn migration_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(version) => StoreError::Migration(format!(
            "the database was made by a newer version of this program (its migration {version} is unknown here); install that version or a later one"
        )),
        MigrateError::VersionMismatch(version) => StoreError::Migration(format!(
            "the database's migration {version} is not this program's; the file belongs to another program or to a build of your own"
        )),
        other => StoreError::Migration(format!("the tables could not be brought up to date: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_of_a_newer_program_is_refused_with_a_sentence() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("latchkey.db");
        let store = Store::open(&file).await.expect("opened");
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, X'00', 0)",
        )
        .execute(&store.writer)
        .await
        .expect("inserted");
        store.close().await;
        let error = Store::open(&file).await.map(|_| ()).expect_err("refused").to_string();
        assert!(error.contains("newer version"), "{error}");
    }

    #[tokio::test]
    async fn opening_twice_keeps_what_is_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("latchkey.db");
        let first = Store::open(&file).await.expect("opened");
        let second = Store::open(&file).await.expect("opened while in use");
        first.ping().await.expect("answers");
        second.ping().await.expect("answers");
    }
}
