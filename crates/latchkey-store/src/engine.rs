//! One face for both engines. A question is one text that both take; what has to differ stands in `sqlite` and `postgres`.
//! The futures of PostgreSQL are boxed: they are large, and every request would carry them.

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

/// Longest wait for a lock, a connection or an answer: below any client's patience, so that trouble becomes a 503.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the salt of the keys of tokens is, once a backup was restored.
const KEY_SALT: &str = "SELECT value FROM meta WHERE key = 'key_salt'";

const SET_KEY_SALT: &str = "INSERT INTO meta (key, value) VALUES ('key_salt', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// Fails when a sign-in would fail because its tables cannot be read. One row of each, by an index.
const PING: &str = "SELECT (SELECT COUNT(*) FROM (SELECT value FROM meta LIMIT 1) AS one) AS meta,     (SELECT LENGTH(password_hash) FROM users ORDER BY username DESC LIMIT 1) AS account,     (SELECT LENGTH(salt) FROM sessions ORDER BY id DESC LIMIT 1) AS session,     (SELECT MAX(seq) FROM revocations) AS revocation";

/// What may be done to a database when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It has to be there, with the present schema.
    Existing,
    /// Where there is none it is created; an existing one has to have the present schema.
    CreateIfMissing,
    /// It is created where there is none, and migrated. For servers.
    Migrate,
}

impl OpenMode {
    /// Whether a database has to be created or migrated, told how many migrations it needs; nothing when it does not exist.
    fn accept(self, pending_migrations: Option<usize>) -> Result<bool, StoreError> {
        match (pending_migrations, self) {
            (Some(0), _) => Ok(false),
            (None, Self::Existing) => Err(StoreError::NoDatabase),
            (None, _) | (Some(_), Self::Migrate) => Ok(true),
            (Some(_), _) => Err(StoreError::OldSchema),
        }
    }
}

/// What there is to know about a database without opening it.
pub struct Inspection {
    /// How many migrations it still needs.
    pub pending_migrations: usize,
    /// The salt of the keys of tokens; empty before a backup was ever restored.
    pub key_salt: String,
}

/// What a restore did.
pub struct Restored {
    /// How many accounts the backup has.
    pub accounts: i64,
    /// How many migrations it still needs.
    pub pending_migrations: usize,
    /// Where the database is now that was replaced, if there was one.
    pub kept: Option<PathBuf>,
}

/// An open database.
#[derive(Clone)]
pub enum Database {
    Sqlite(sqlite::SqliteStore),
    Postgres(Arc<postgres::PostgresStore>),
}

impl Database {
    /// Opens it; the mode says whether it may be created and migrated. On PostgreSQL at most so many connections answer
    /// requests.
    pub async fn open(url: &DatabaseUrl, connections: usize, mode: OpenMode) -> Result<Self, StoreError> {
        Ok(match url {
            DatabaseUrl::Sqlite(path) => Self::Sqlite(Box::pin(sqlite::SqliteStore::open(path, mode)).await?),
            DatabaseUrl::Postgres(options) => {
                Self::Postgres(Arc::new(Box::pin(postgres::PostgresStore::open(options, connections, mode)).await?))
            }
        })
    }

    /// Reads what there is to know about it without changing it; nothing when there is no database yet.
    pub async fn inspect(url: &DatabaseUrl) -> Result<Option<Inspection>, StoreError> {
        match url {
            DatabaseUrl::Sqlite(path) => sqlite::inspect(path).await,
            DatabaseUrl::Postgres(options) => postgres::PostgresStore::inspect(options).await,
        }
    }

    /// Puts a backup in the place of a SQLite file.
    pub async fn restore(database: &Path, backup: &Path, salt: &str, now: UnixSeconds) -> Result<Restored, StoreError> {
        sqlite::restore(database, backup, salt, now).await
    }

    /// Fails when the tables that a sign-in needs cannot be read.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(file) => file.ping().await,
            Self::Postgres(_) => self.all(query(PING)).await.map(drop),
        }
    }

    /// The salt of the keys of tokens; empty before a backup was ever restored.
    pub async fn key_salt(&self) -> Result<String, StoreError> {
        let row = self.one(query(KEY_SALT)).await?;
        Ok(row.map(|row| row.get("value")).transpose()?.unwrap_or_default())
    }

    /// All rows of an answer.
    pub async fn all(&self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(file) => file.all(query).await,
            Self::Postgres(server) => Box::pin(server.all(query)).await,
        }
    }

    /// The row of an answer that has one or none.
    pub async fn one(&self, query: Query<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.all(query).await?.pop())
    }

    /// Makes a change of one statement; how many rows it was about, once it is durable. On SQLite those that wait at the same
    /// time share a commit.
    pub async fn write(&self, query: Query<'static>) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(file) => file.write(query).await,
            Self::Postgres(server) => Box::pin(server.write(query)).await,
        }
    }

    /// Begins a change.
    pub async fn begin(&self) -> Result<StoreTransaction, StoreError> {
        Ok(match self {
            Self::Sqlite(file) => StoreTransaction::Sqlite(file.begin().await?),
            Self::Postgres(server) => StoreTransaction::Postgres(Box::pin(server.begin()).await?),
        })
    }

    /// Begins a change that gives way to those that an answer waits for.
    pub async fn begin_yielding(&self) -> Result<StoreTransaction, StoreError> {
        Ok(match self {
            Self::Sqlite(file) => StoreTransaction::Sqlite(file.begin().await?),
            Self::Postgres(server) => StoreTransaction::Postgres(Box::pin(server.begin_yielding()).await?),
        })
    }

    /// Gives the news after a position to `apply`, some of it perhaps once more; the position up to which all of it was seen.
    pub async fn revocation_rows_after(&self, from: i64, apply: impl FnMut(Row) -> Result<(), StoreError>) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(file) => file.revocation_rows_after(from, apply).await,
            Self::Postgres(server) => Box::pin(server.revocation_rows_after(from, apply)).await,
        }
    }

    /// The time by the clock of a database server. A file has none.
    pub async fn clock(&self) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Postgres(_) => {
                let row = self.one(query("SELECT CAST(EXTRACT(EPOCH FROM now()) AS BIGINT) AS now")).await?;
                row.map(|row| row.get("now")).transpose()
            }
        }
    }

    /// Copies everything as it stands at one moment into an empty file.
    pub async fn copy_to(&self, file: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.copy_to(file).await,
            Self::Postgres(_) => Err(StoreError::NotHere("PostgreSQL is copied by its own pg_dump")),
        }
    }

    /// Waits until there may be news. Of SQLite nobody tells.
    pub async fn wait_for_change(&self) {
        match self {
            Self::Sqlite(_) => pending().await,
            Self::Postgres(server) => server.wait_for_change().await,
        }
    }

    /// Has itself told of news for as long as the program runs.
    pub async fn listen(&self) {
        match self {
            Self::Sqlite(_) => pending().await,
            Self::Postgres(server) => server.listen().await,
        }
    }

    /// Connections that requests share: open ones, idle ones of them, and requests that wait for one.
    pub fn connections(&self) -> Option<(usize, usize, usize)> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(server) => Some(server.connections()),
        }
    }

    /// Closes it.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(file) => file.close().await,
            Self::Postgres(server) => server.close().await,
        }
    }
}

/// A change under way. Dropped without a commit, it never was.
pub enum StoreTransaction {
    Sqlite(sqlite::StoreTransaction),
    Postgres(postgres::StoreTransaction),
}

impl StoreTransaction {
    /// Makes a part of the change; how many rows it was about.
    pub async fn run(&mut self, query: Query<'_>) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(tx) => tx.run(query).await,
            Self::Postgres(tx) => Box::pin(tx.run(query)).await,
        }
    }

    /// Makes a part of the change that gives rows, or asks within it.
    pub async fn all(&mut self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(tx) => tx.all(query).await,
            Self::Postgres(tx) => Box::pin(tx.all(query)).await,
        }
    }

    /// Likewise, where there is one row or none.
    pub async fn one(&mut self, query: Query<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.all(query).await?.pop())
    }

    /// Writes when sessions were last used: a JSON object of their ids and the times. The ids that need no further try. PostgreSQL
    /// leaves out rows that others have locked, which SQLite, with its one lock for everything, has no words for.
    pub async fn write_last_used(&mut self, uses: &str) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(tx) => tx.write_last_used(uses).await,
            Self::Postgres(tx) => Box::pin(tx.write_last_used(uses)).await,
        }
    }

    /// Makes it durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => Box::pin(tx.commit()).await,
        }
    }
}
