//! SQLite: one connection writes, so that writers queue there instead of failing on each other's locks; others read
//! beside it (WAL).
//!
//! Every change stands in an explicit transaction: with sqlx on SQLite an autocommit `UPDATE … RETURNING` can say Ok
//! although its commit failed.

mod apart;
mod place;
mod readers;
mod together;

use std::path::Path;

use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Transaction};

pub use self::apart::hold;
use self::place::Place;
use self::readers::Readers;
use self::together::Together;
use super::{PATIENCE, Query, Row, migrations, query};
use crate::server::store::StoreError;

/// An open file.
#[derive(Clone)]
pub struct File {
    place: Place,
    readers: Readers,
    writer: SqlitePool,
    together: Together,
}

impl File {
    /// Opens the file, made if it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be used or belongs to a newer program.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // Durable before the answer: an acknowledged change survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        // Made here and nowhere else: a file that vanishes later is not made anew.
        options.clone().create_if_missing(true).connect().await?.close().await?;
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
        {
            let _alone = place::lock(path).await?;
            migrations::sqlite().run(&writer).await.map_err(migrations::error)?;
        }
        Ok(Self {
            place: Place::of(path).map_err(sqlx::Error::Io)?,
            readers: Readers::open(options).await?,
            together: Together::new(writer.clone()),
            writer,
        })
    }

    /// How many steps its tables still need, found out without changing it; nothing when there is no file yet, or an empty one.
    ///
    /// # Errors
    /// When the file cannot be read or belongs to a newer program.
    pub async fn pending_migrations(path: &Path) -> Result<Option<usize>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(PATIENCE)
            .connect()
            .await?;
        let (tables,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")
            .fetch_one(&mut connection)
            .await?;
        if tables == 0 {
            return Ok(None);
        }
        let applied: Vec<(i64,)> = sqlx::query_as("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(&mut connection)
            .await?;
        connection.close().await?;
        migrations::pending(&migrations::sqlite(), &applied).map(Some)
    }

    /// All rows of an answer.
    pub async fn all(&self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        self.place.check()?;
        self.readers.all(query).await
    }

    /// Begins a change. `IMMEDIATE` takes the write lock at once: taking it later, after reading, fails whenever another
    /// program wrote in between.
    pub async fn change(&self) -> Result<Change, StoreError> {
        self.place.check()?;
        Ok(Change(self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }

    /// Makes a change of one statement; how many rows it was about.
    pub async fn write(&self, query: Query<'static>) -> Result<u64, StoreError> {
        self.place.check()?;
        self.together.run(query).await
    }

    /// Gives each piece of news after a position to `learn`; the position of the last. One program writes at a time, so
    /// positions are in the order of commits.
    pub async fn news(&self, from: i64, mut learn: impl FnMut(Row) -> Result<(), StoreError>) -> Result<i64, StoreError> {
        const NEWS: &str =
            "SELECT seq AS seen, session_id, user_id, epoch, at, expires_at FROM revocations WHERE seq > $1 ORDER BY seq LIMIT 1000";
        let mut seen = from;
        loop {
            let rows = self.all(query(NEWS).bind(seen)).await?;
            let full = rows.len() == 1000;
            for row in rows {
                seen = row.get("seen")?;
                learn(row)?;
            }
            if !full {
                return Ok(seen);
            }
        }
    }

    /// Copies everything as it stands at one moment into an empty file. Nobody waits for it: it only reads.
    ///
    /// # Errors
    /// When the database cannot be read or the file not be written.
    pub async fn copy_to(&self, file: &str) -> Result<(), StoreError> {
        self.all(query("VACUUM INTO $1").bind(file)).await?;
        Ok(())
    }

    /// Waits for what is under way and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// A change under way. Dropped without a commit, it never was.
pub struct Change(Transaction<'static, Sqlite>);

impl Change {
    /// Makes a part of the change; how many rows it was about.
    pub async fn run(&mut self, query: Query<'_>) -> Result<u64, StoreError> {
        Ok(query.prepare::<Sqlite>().execute(&mut *self.0).await?.rows_affected())
    }

    /// Makes a part of the change, or asks within it.
    pub async fn all(&mut self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        let rows = query.prepare::<Sqlite>().fetch_all(&mut *self.0).await?;
        Ok(rows.into_iter().map(Row::Sqlite).collect())
    }

    /// Makes it durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}
