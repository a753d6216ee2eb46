//! SQLite: one connection writes, so that writers queue for it instead of failing on each other's locks. Other connections read
//! at the same time (WAL).
//!
//! Every change runs in an explicit transaction, because with sqlx on SQLite an autocommit `UPDATE … RETURNING` can return Ok
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
use super::{OpenMode, PING, Query, Row, TIMEOUT, migrations, query};
use crate::StoreError;
pub use exclusive::{Held, hold};
use file_identity::FileIdentity;
use file_lock::FileLock;
use group_commit::GroupCommit;
use reader_pool::ReaderPool;

/// An open database file.
#[derive(Clone)]
pub struct SqliteStore {
    identity: FileIdentity,
    ids: Arc<[u32]>,
    /// Whether a read found the file damaged. This never changes back, because damage does not repair itself.
    damaged: Arc<AtomicBool>,
    readers: ReaderPool,
    writer: SqlitePool,
    group_commit: GroupCommit,
    lock: Arc<FileLock>,
}

impl SqliteStore {
    /// Opens the file; the mode says whether it may be created and migrated.
    pub async fn open(path: &Path, mode: OpenMode) -> Result<Self, StoreError> {
        let open::Prepared { identity, lock, ids } = open::prepare(path, mode).await?;
        let options = open::options(path);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(TIMEOUT)
            // The pool tests it whenever it is returned.
            .test_before_acquire(false)
            // When the disk is full, SQLite rolls back the transaction by itself. sqlx's own rollback then fails, and sqlx
            // believes from then on that the transaction is still open. It could begin no other one on this connection.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_with(options.clone())
            .await?;
        Ok(Self {
            identity,
            ids: ids.into(),
            damaged: Arc::default(),
            readers: ReaderPool::open(options).await?,
            group_commit: GroupCommit::new(writer.clone()),
            writer,
            lock: Arc::new(lock),
        })
    }

    /// Returns all rows of a query.
    pub async fn all(&self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        self.identity.check(&self.ids)?;
        let rows = self.readers.all(query).await;
        if rows.as_ref().is_err_and(is_damage) {
            self.damaged.store(true, Ordering::Relaxed);
        }
        rows
    }

    /// Checks that the tables that a sign-in needs can be read in time, and that no earlier read found the file damaged.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if self.damaged.load(Ordering::Relaxed) {
            return Err(StoreError::Damaged);
        }
        timeout(TIMEOUT, self.all(query(PING))).await.map_err(|_| StoreError::slow())??;
        Ok(())
    }

    /// Begins a transaction. `IMMEDIATE` takes the write lock at once: taking it later, after a read, fails if another program
    /// has written in between.
    pub async fn begin(&self) -> Result<StoreTransaction, StoreError> {
        self.identity.check(&self.ids)?;
        Ok(StoreTransaction(self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }

    /// Makes a change of one statement. Returns how many rows it affected.
    pub async fn write(&self, query: Query<'static>) -> Result<u64, StoreError> {
        self.identity.check(&self.ids)?;
        self.group_commit.run(query).await
    }

    /// Passes each revocation after a position to `apply`. Returns the position of the last one. Only one program writes at a
    /// time, so positions are in the order of commits.
    pub async fn revocation_rows_after(&self, from: i64, mut apply: impl FnMut(Row) -> Result<(), StoreError>) -> Result<i64, StoreError> {
        const REVOCATIONS: &str =
            "SELECT seq AS seen, session_id, user_id, epoch, at, expires_at FROM revocations WHERE seq > $1 ORDER BY seq LIMIT 1000";
        let mut seen = from;
        loop {
            let rows = self.all(query(REVOCATIONS).bind(seen)).await?;
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

    /// Copies the database as it is at one moment into an empty file. It only reads, so no other query waits for it.
    pub async fn copy_to(&self, file: &str) -> Result<(), StoreError> {
        self.all(query("VACUUM INTO $1").bind(file)).await?;
        change_id(Path::new(file)).await
    }

    /// Waits for running statements and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        if self.identity.check(&self.ids).is_err() && self.identity.is_overwritten() {
            // SQLite would write the log into the file that replaced this one. Keep the writer open, so that the process ends
            // without that.
            mem::forget(self.writer.clone());
        } else {
            self.writer.close().await;
        }
        self.lock.release();
    }
}

/// Returns whether SQLite reports that the file is damaged or is not a database (`SQLITE_CORRUPT`, `SQLITE_NOTADB`).
fn is_damage(error: &StoreError) -> bool {
    let StoreError::Unavailable(sqlx::Error::Database(error)) = error else {
        return false;
    };
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    // The low byte of an extended code is the primary code.
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// A transaction. Rolls back on drop unless committed.
pub struct StoreTransaction(Transaction<'static, Sqlite>);

impl StoreTransaction {
    /// Runs a statement. Returns how many rows it affected.
    pub async fn run(&mut self, query: Query<'_>) -> Result<u64, StoreError> {
        Ok(query.prepare::<Sqlite>().execute(&mut *self.0).await?.rows_affected())
    }

    /// Runs a statement or a query and returns its rows.
    pub async fn all(&mut self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        let rows = query.prepare::<Sqlite>().fetch_all(&mut *self.0).await?;
        Ok(rows.into_iter().map(Row::Sqlite).collect())
    }

    /// Writes when sessions were last used. Returns the ids of all of them.
    pub async fn write_last_used(&mut self, uses: &str) -> Result<Vec<Row>, StoreError> {
        const WRITE: &str = "UPDATE sessions SET last_used_at = uses.value FROM json_each($1) AS uses WHERE sessions.id = uses.key AND last_used_at < uses.value";
        self.run(query(WRITE).bind(uses)).await?;
        self.all(query("SELECT key AS id FROM json_each($1)").bind(uses)).await
    }

    /// Commits the transaction, durably.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}
