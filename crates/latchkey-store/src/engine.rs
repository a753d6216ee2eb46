//! One interface to both engines. One SQL statement works on both; what has to differ is in `sqlite` and `postgres`. The futures
//! of PostgreSQL are boxed, because they are large and every request would carry them.

mod exclusive;
pub(crate) mod migrations;
mod postgres;
mod query;
mod sqlite;

use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use exclusive::{ExclusiveConnection, LockMode, Rows};
pub use query::{Query, Row, Value, query};

use super::StoreError;
use crate::{DatabaseUrl, UnixSeconds};

/// The longest wait for a lock, a connection or an answer. It is shorter than any client waits, so that the client receives a
/// 503.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the salt of the token keys, which exists once a backup was restored.
const KEY_SALT: &str = "SELECT value FROM meta WHERE key = 'key_salt'";

const SET_KEY_SALT: &str = "INSERT INTO meta (key, value) VALUES ('key_salt', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// Fails when a sign-in would fail because its tables cannot be read. Reads one row of each by an index.
const PING: &str = "SELECT (SELECT COUNT(*) FROM (SELECT value FROM meta LIMIT 1) AS one) AS meta,     (SELECT LENGTH(password_hash) FROM users ORDER BY username DESC LIMIT 1) AS account,     (SELECT LENGTH(salt) FROM sessions ORDER BY id DESC LIMIT 1) AS session,     (SELECT MAX(seq) FROM revocations) AS revocation";

/// What may be done to a database when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The database has to exist with the current schema.
    Existing,
    /// A missing database is created; an existing one has to have the current schema.
    CreateIfMissing,
    /// A missing database is created and an old one migrated. This is the mode of servers.
    Migrate,
}

impl OpenMode {
    /// Returns whether the database has to be created or migrated, or an error if this mode does not allow that.
    /// `pending_migrations` is `None` when there is no database.
    fn accept(self, pending_migrations: Option<usize>) -> Result<bool, StoreError> {
        match (pending_migrations, self) {
            (Some(0), _) => Ok(false),
            (None, Self::Existing) => Err(StoreError::NoDatabase),
            (None, _) | (Some(_), Self::Migrate) => Ok(true),
            (Some(_), _) => Err(StoreError::OldSchema),
        }
    }
}

/// What can be read from a database without opening it for use.
pub struct Inspection {
    /// How many migrations it still needs.
    pub pending_migrations: usize,
    /// The salt of the token keys; empty until a backup is restored for the first time.
    pub key_salt: String,
}

/// The result of a restore.
pub struct Restored {
    /// How many accounts the backup holds.
    pub accounts: i64,
    /// How many migrations the restored database still needs.
    pub pending_migrations: usize,
    /// Where the replaced database is kept, if there was one.
    pub kept: Option<PathBuf>,
}

/// An open database.
#[derive(Clone)]
pub enum Database {
    Sqlite(sqlite::SqliteStore),
    Postgres(Arc<postgres::PostgresStore>),
}

impl Database {
    /// Opens the database; `mode` says whether it may be created and migrated. On PostgreSQL at most `connections` connections
    /// answer requests.
    pub async fn open(url: &DatabaseUrl, connections: usize, mode: OpenMode) -> Result<Self, StoreError> {
        Ok(match url {
            DatabaseUrl::Sqlite(path) => Self::Sqlite(Box::pin(sqlite::SqliteStore::open(path, mode)).await?),
            DatabaseUrl::Postgres(options) => {
                Self::Postgres(Arc::new(Box::pin(postgres::PostgresStore::open(options, connections, mode)).await?))
            }
        })
    }

    /// Reads what can be known about a database without changing it. Returns `None` when there is no database yet.
    pub async fn inspect(url: &DatabaseUrl) -> Result<Option<Inspection>, StoreError> {
        match url {
            DatabaseUrl::Sqlite(path) => sqlite::inspect(path).await,
            DatabaseUrl::Postgres(options) => postgres::PostgresStore::inspect(options).await,
        }
    }

    /// Replaces a SQLite file by a backup.
    pub async fn restore(database: &Path, backup: &Path, salt: &str, now: UnixSeconds) -> Result<Restored, StoreError> {
        sqlite::restore(database, backup, salt, now).await
    }

    /// Checks that the tables that a sign-in needs can be read.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(file) => file.ping().await,
            Self::Postgres(_) => self.all(query(PING)).await.map(drop),
        }
    }

    /// Returns the salt of the token keys; empty until a backup is restored for the first time.
    pub async fn key_salt(&self) -> Result<String, StoreError> {
        let row = self.one(query(KEY_SALT)).await?;
        Ok(row.map(|row| row.get("value")).transpose()?.unwrap_or_default())
    }

    /// Returns all rows of a query.
    pub async fn all(&self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(file) => file.all(query).await,
            Self::Postgres(server) => Box::pin(server.all(query)).await,
        }
    }

    /// Returns the row of a query that has at most one.
    pub async fn one(&self, query: Query<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.all(query).await?.pop())
    }

    /// Makes a change of one statement. Returns how many rows it affected, once it is durable. On SQLite, changes that wait at
    /// the same time share a commit.
    pub async fn write(&self, query: Query<'static>) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(file) => file.write(query).await,
            Self::Postgres(server) => Box::pin(server.write(query)).await,
        }
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<StoreTransaction, StoreError> {
        Ok(match self {
            Self::Sqlite(file) => StoreTransaction::Sqlite(file.begin().await?),
            Self::Postgres(server) => StoreTransaction::Postgres(Box::pin(server.begin()).await?),
        })
    }

    /// Begins a transaction that gives way to those that a response waits for.
    pub async fn begin_yielding(&self) -> Result<StoreTransaction, StoreError> {
        Ok(match self {
            Self::Sqlite(file) => StoreTransaction::Sqlite(file.begin().await?),
            Self::Postgres(server) => StoreTransaction::Postgres(Box::pin(server.begin_yielding()).await?),
        })
    }

    /// Passes the revocations after a position to `apply`, some of them perhaps again. Returns the position up to which all of
    /// them have been read.
    pub async fn revocation_rows_after(&self, from: i64, apply: impl FnMut(Row) -> Result<(), StoreError>) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(file) => file.revocation_rows_after(from, apply).await,
            Self::Postgres(server) => Box::pin(server.revocation_rows_after(from, apply)).await,
        }
    }

    /// Returns the time by the clock of the database server. A file has no clock.
    pub async fn clock(&self) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(_) => {
                let row = self.one(query("SELECT CAST(EXTRACT(EPOCH FROM now()) AS BIGINT) AS now")).await?;
                row.map(|row| row.get("now")).transpose()
            }
        }
    }

    /// Copies the database as it is at one moment into an empty file.
    pub async fn copy_to(&self, file: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.copy_to(file).await,
            Self::Postgres(_) => Err(StoreError::NotHere("PostgreSQL is copied by its own pg_dump")),
        }
    }

    /// Waits until there may be new revocations. SQLite sends no notifications, so there it waits forever.
    pub async fn wait_for_change(&self) {
        match self {
            Self::Sqlite(_) => pending().await,
            Self::Postgres(server) => server.wait_for_change().await,
        }
    }

    /// Listens for notifications of new revocations for as long as the program runs.
    pub async fn listen(&self) {
        match self {
            Self::Sqlite(_) => pending().await,
            Self::Postgres(server) => server.listen().await,
        }
    }

    /// Returns how many pooled connections are open, how many of these are idle, and how many requests wait for one.
    pub fn connections(&self) -> Option<(usize, usize, usize)> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(server) => Some(server.connections()),
        }
    }

    /// Closes the database.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(file) => file.close().await,
            Self::Postgres(server) => server.close().await,
        }
    }
}

/// A transaction. Rolls back on drop unless committed.
pub enum StoreTransaction {
    Sqlite(sqlite::StoreTransaction),
    Postgres(postgres::StoreTransaction),
}

impl StoreTransaction {
    /// Runs a statement. Returns how many rows it affected.
    pub async fn run(&mut self, query: Query<'_>) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(tx) => tx.run(query).await,
            Self::Postgres(tx) => Box::pin(tx.run(query)).await,
        }
    }

    /// Runs a statement or a query and returns its rows.
    pub async fn all(&mut self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(tx) => tx.all(query).await,
            Self::Postgres(tx) => Box::pin(tx.all(query)).await,
        }
    }

    /// Runs a statement or a query and returns its row, if any; there is at most one.
    pub async fn one(&mut self, query: Query<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.all(query).await?.pop())
    }

    /// Writes when sessions were last used. `uses` is a JSON object of session ids and times. Returns the ids that need no
    /// further attempt. PostgreSQL skips rows that others have locked; SQLite has no syntax for that, and only one lock for
    /// everything.
    pub async fn write_last_used(&mut self, uses: &str) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(tx) => tx.write_last_used(uses).await,
            Self::Postgres(tx) => Box::pin(tx.write_last_used(uses)).await,
        }
    }

    /// Commits the transaction, durably.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => Box::pin(tx.commit()).await,
        }
    }
}
