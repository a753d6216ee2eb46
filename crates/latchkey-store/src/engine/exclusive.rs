//! A connection outside the pool, for work that takes longer than a request may. It locks the tables in one transaction, from its
//! first statement to its last.

use std::os::unix::fs::MetadataExt;
use std::pin::Pin;

use futures_util::{Stream, TryStreamExt};
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{Connection as _, raw_sql};
use uuid::Uuid;

use super::{Query, Row, postgres, sqlite};
use crate::{DatabaseUrl, StoreError};

/// What the tables are locked for. Until the lock is released no one else can change them; others may read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// To read the tables as they are at one moment, without changing anything.
    Reading,
    /// To change the tables.
    Writing,
}

/// The connection and its transaction. Rolls back on drop unless committed.
pub struct ExclusiveConnection {
    url: DatabaseUrl,
    connection: Raw,
}

enum Raw {
    Sqlite(SqliteConnection, sqlite::Held),
    Postgres(PgConnection),
}

/// A stream of rows.
pub type Rows<'c> = Pin<Box<dyn Stream<Item = Result<Row, StoreError>> + Send + 'c>>;

impl ExclusiveConnection {
    /// Locks the tables. SQLite locks all tables, whichever are named. Fails when others do not release the tables in time.
    pub async fn hold(url: &DatabaseUrl, hold: LockMode, tables: &[&str]) -> Result<Self, StoreError> {
        let connection = match url {
            DatabaseUrl::Sqlite(path) => {
                let (connection, locks) = Box::pin(sqlite::hold(path, hold)).await?;
                Raw::Sqlite(connection, locks)
            }
            DatabaseUrl::Postgres(options) => Raw::Postgres(Box::pin(postgres::hold(options, hold, tables)).await?),
        };
        Ok(Self {
            url: url.clone(),
            connection,
        })
    }

    /// Returns whether `url` names this database, even if it uses another name or address.
    pub async fn is_at(&mut self, url: &DatabaseUrl) -> Result<bool, StoreError> {
        match (&mut self.connection, url) {
            (Raw::Sqlite(..), DatabaseUrl::Sqlite(other)) => {
                let DatabaseUrl::Sqlite(path) = &self.url else { return Ok(false) };
                let inode = |file: std::fs::Metadata| (file.dev(), file.ino());
                // The other file may not exist yet.
                Ok(other.metadata().ok().map(inode) == Some(path.metadata().map(inode).map_err(sqlx::Error::Io)?))
            }
            (Raw::Postgres(connection), DatabaseUrl::Postgres(options)) => {
                // An advisory lock belongs to one database of one server, whatever names and addresses the server has.
                let key = i64::from_be_bytes(Uuid::now_v7().into_bytes()[8..].try_into().unwrap_or_default());
                sqlx::query("SELECT pg_advisory_xact_lock($1)")
                    .bind(key)
                    .execute(connection)
                    .await?;
                let mut other = Box::pin(postgres::connect_unlimited(options)).await?;
                let (free,): (bool,) = sqlx::query_as("SELECT pg_try_advisory_lock($1)")
                    .bind(key)
                    .fetch_one(&mut other)
                    .await?;
                other.close().await?;
                Ok(!free)
            }
            _ => Ok(false),
        }
    }

    /// Returns how many rows one statement should write. SQLite looks up each value among all values of the statement, so its
    /// work grows with their square. On PostgreSQL each statement is a round trip, and one statement takes at most 65,535 values.
    pub const fn rows_at_once(&self) -> usize {
        match self.connection {
            Raw::Sqlite(..) => 50,
            Raw::Postgres(_) => 500,
        }
    }

    /// Streams the rows of a query, because there may be more than fit into memory.
    pub fn rows<'c>(&'c mut self, query: Query<'c>) -> Rows<'c> {
        match &mut self.connection {
            Raw::Sqlite(connection, _) => Box::pin(query.prepare::<Sqlite>().fetch(connection).map_ok(Row::Sqlite).err_into()),
            Raw::Postgres(connection) => Box::pin(query.prepare::<Postgres>().fetch(connection).map_ok(Row::Postgres).err_into()),
        }
    }

    /// Returns the row of a query that has at most one.
    pub async fn one(&mut self, query: Query<'_>) -> Result<Option<Row>, StoreError> {
        self.rows(query).try_next().await
    }

    /// Runs a statement of the transaction. Returns how many rows it affected.
    pub async fn run(&mut self, query: Query<'_>) -> Result<u64, StoreError> {
        Ok(match &mut self.connection {
            Raw::Sqlite(connection, _) => Box::pin(query.prepare::<Sqlite>().execute(connection)).await?.rows_affected(),
            Raw::Postgres(connection) => Box::pin(query.prepare::<Postgres>().execute(connection)).await?.rows_affected(),
        })
    }

    /// Commits durably and releases the tables. After an error, nothing was changed.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.end("COMMIT").await
    }

    /// Rolls back and releases the tables.
    pub async fn release(self) -> Result<(), StoreError> {
        self.end("ROLLBACK").await
    }

    async fn end(self, word: &'static str) -> Result<(), StoreError> {
        match self.connection {
            Raw::Sqlite(mut connection, held) => {
                raw_sql(word).execute(&mut connection).await?;
                connection.close().await?;
                drop(held);
            }
            Raw::Postgres(mut connection) => {
                raw_sql(word).execute(&mut connection).await?;
                connection.close().await?;
            }
        }
        Ok(())
    }
}
