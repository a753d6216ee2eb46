//! SQLite: one connection writes, so that writers queue there instead of failing on each other's locks; others read
//! beside it (WAL).
//!
//! Every change stands in an explicit transaction: with sqlx on SQLite an autocommit `UPDATE … RETURNING` can say Ok
//! although its commit failed.

mod exclusive;
mod file_identity;
mod file_lock;
mod files;
mod group_commit;
mod open;
mod reader_pool;
mod restore;

use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::{Sqlite, SqlitePool, SqlitePoolOptions};
use sqlx::{Connection, Transaction};
use tokio::time::timeout;

pub use self::open::inspect;
pub use self::restore::{change_id, restore};
use super::{OpenMode, PATIENCE, PING, Query, Row, migrations, query};
use crate::StoreError;
pub use exclusive::{Held, hold};
use file_identity::FileIdentity;
use file_lock::FileLock;
use group_commit::GroupCommit;
use reader_pool::ReaderPool;

/// An open file.
#[derive(Clone)]
pub struct SqliteStore {
    place: FileIdentity,
    ids: Arc<[u32]>,
    /// Whether a read found the file damaged. It stays so: what is damaged does not mend itself.
    damaged: Arc<AtomicBool>,
    readers: ReaderPool,
    writer: SqlitePool,
    together: GroupCommit,
    lock: Arc<FileLock>,
}

impl SqliteStore {
    /// Opens the file; the mode says whether it may be created and migrated.
    pub async fn open(path: &Path, mode: OpenMode) -> Result<Self, StoreError> {
        let open::Prepared { place, lock, ids } = open::prepare(path, mode).await?;
        let options = open::options(path);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            // It is tried each time it is given back.
            .test_before_acquire(false)
            // When a disk is full SQLite undoes a change by itself. sqlx then fails to undo it once more, believes ever after
            // that it is under way, and could begin no other on this connection.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_with(options.clone())
            .await?;
        Ok(Self {
            place,
            ids: ids.into(),
            damaged: Arc::default(),
            readers: ReaderPool::open(options).await?,
            together: GroupCommit::new(writer.clone()),
            writer,
            lock: Arc::new(lock),
        })
    }

    /// All rows of an answer.
    pub async fn all(&self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        self.place.check(&self.ids)?;
        let rows = self.readers.all(query).await;
        if rows.as_ref().is_err_and(is_damage) {
            self.damaged.store(true, Ordering::Relaxed);
        }
        rows
    }

    /// Whether reads work: one of the tables that a sign-in needs, and all those before it.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if self.damaged.load(Ordering::Relaxed) {
            return Err(StoreError::Damaged);
        }
        timeout(PATIENCE, self.all(query(PING))).await.map_err(|_| StoreError::slow())??;
        Ok(())
    }

    /// Begins a change. `IMMEDIATE` takes the write lock at once: taking it later, after reading, fails whenever another
    /// program wrote in between.
    pub async fn begin(&self) -> Result<StoreTransaction, StoreError> {
        self.place.check(&self.ids)?;
        Ok(StoreTransaction(self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }

    /// Makes a change of one statement; how many rows it was about.
    pub async fn write(&self, query: Query<'static>) -> Result<u64, StoreError> {
        self.place.check(&self.ids)?;
        self.together.run(query).await
    }

    /// Gives each piece of news after a position to `apply`; the position of the last. One program writes at a time, so
    /// positions are in the order of commits.
    pub async fn revocation_rows_after(&self, from: i64, mut apply: impl FnMut(Row) -> Result<(), StoreError>) -> Result<i64, StoreError> {
        const NEWS: &str =
            "SELECT seq AS seen, session_id, user_id, epoch, at, expires_at FROM revocations WHERE seq > $1 ORDER BY seq LIMIT 1000";
        let mut seen = from;
        loop {
            let rows = self.all(query(NEWS).bind(seen)).await?;
            let full = rows.len() == 1000;
            for row in rows {
                seen = row.get("seen")?;
                apply(row)?;
            }
            if !full {
                return Ok(seen);
            }
        }
    }

    /// Copies everything as it stands at one moment into an empty file. Nobody waits for it: it only reads.
    pub async fn copy_to(&self, file: &str) -> Result<(), StoreError> {
        self.all(query("VACUUM INTO $1").bind(file)).await?;
        change_id(Path::new(file)).await
    }

    /// Waits for what is under way and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        if self.place.check(&self.ids).is_err() && self.place.is_overwritten() {
            // SQLite would write the log into the file that was put there. The process ends without that.
            mem::forget(self.writer.clone());
        } else {
            self.writer.close().await;
        }
        self.lock.release();
    }
}

/// Whether SQLite says that the file is damaged, or no database at all (`SQLITE_CORRUPT`, `SQLITE_NOTADB`).
fn is_damage(error: &StoreError) -> bool {
    let StoreError::Unavailable(sqlx::Error::Database(error)) = error else {
        return false;
    };
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    // The low byte of an extended code is the code.
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// A change under way. Dropped without a commit, it never was.
pub struct StoreTransaction(Transaction<'static, Sqlite>);

impl StoreTransaction {
    /// Makes a part of the change; how many rows it was about.
    pub async fn run(&mut self, query: Query<'_>) -> Result<u64, StoreError> {
        Ok(query.prepare::<Sqlite>().execute(&mut *self.0).await?.rows_affected())
    }

    /// Makes a part of the change, or asks within it.
    pub async fn all(&mut self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        let rows = query.prepare::<Sqlite>().fetch_all(&mut *self.0).await?;
        Ok(rows.into_iter().map(Row::Sqlite).collect())
    }

    /// Writes when sessions were last used; the ids of all of them.
    pub async fn write_last_used(&mut self, uses: &str) -> Result<Vec<Row>, StoreError> {
        const WRITE: &str = "UPDATE sessions SET last_used_at = uses.value FROM json_each($1) AS uses WHERE sessions.id = uses.key AND last_used_at < uses.value";
        self.run(query(WRITE).bind(uses)).await?;
        self.all(query("SELECT key AS id FROM json_each($1)").bind(uses)).await
    }

    /// Makes it durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}
