//! A connection apart from those that answer requests, for work that takes longer than any request may. It holds the tables
//! still in one transaction, from its first word to its last.

use std::os::unix::fs::MetadataExt;
use std::pin::Pin;

use futures_util::{Stream, TryStreamExt};
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{Connection as _, raw_sql};
use uuid::Uuid;

use super::{Query, Row, postgres, sqlite};
use crate::{DatabaseUrl, StoreError};

/// What the tables are held for. Nobody else changes them until it is over; others may read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// To read them as they stand at one moment, and change nothing.
    Reading,
    /// To change them.
    Writing,
}

/// The connection and its transaction. Dropped without a commit, it never was.
pub struct ExclusiveConnection {
    url: DatabaseUrl,
    connection: Raw,
}

enum Raw {
    Sqlite(SqliteConnection, sqlite::Held),
    Postgres(PgConnection),
}

/// Rows as they come.
pub type Rows<'c> = Pin<Box<dyn Stream<Item = Result<Row, StoreError>> + Send + 'c>>;

impl ExclusiveConnection {
    /// Holds the tables still: all of them, with SQLite, whichever are named.
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

    /// Whether this is the database of a URL, whatever it is called there.
    pub async fn is_at(&mut self, url: &DatabaseUrl) -> Result<bool, StoreError> {
        match (&mut self.connection, url) {
            (Raw::Sqlite(..), DatabaseUrl::Sqlite(other)) => {
                let DatabaseUrl::Sqlite(path) = &self.url else { return Ok(false) };
                let inode = |file: std::fs::Metadata| (file.dev(), file.ino());
                // The other one may not be there yet.
                Ok(other.metadata().ok().map(inode) == Some(path.metadata().map(inode).map_err(sqlx::Error::Io)?))
            }
            (Raw::Postgres(connection), DatabaseUrl::Postgres(options)) => {
                // Such a lock belongs to one database of one server: names and addresses of it do not matter.
                let key = i64::from_be_bytes(Uuid::now_v7().into_bytes()[8..].try_into().unwrap_or_default());
                sqlx::query("SELECT pg_advisory_xact_lock($1)")
                    .bind(key)
                    .execute(connection)
                    .await?;
                let mut other = Box::pin(postgres::alone(options)).await?;
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

    /// How many rows one statement may best write. SQLite looks up each of its values among all of them, so the work grows with
    /// their square; to PostgreSQL each statement is a journey, and 65,535 values are the most of one.
    pub const fn rows_at_once(&self) -> usize {
        match self.connection {
            Raw::Sqlite(..) => 50,
            Raw::Postgres(_) => 500,
        }
    }

    /// All rows of an answer, as they come: there may be more than memory holds.
    pub fn rows<'c>(&'c mut self, query: Query<'c>) -> Rows<'c> {
        match &mut self.connection {
            Raw::Sqlite(connection, _) => Box::pin(query.prepare::<Sqlite>().fetch(connection).map_ok(Row::Sqlite).err_into()),
            Raw::Postgres(connection) => Box::pin(query.prepare::<Postgres>().fetch(connection).map_ok(Row::Postgres).err_into()),
        }
    }

    /// The row of an answer that has one or none.
    pub async fn one(&mut self, query: Query<'_>) -> Result<Option<Row>, StoreError> {
        self.rows(query).try_next().await
    }

    /// Makes a part of the change; how many rows it was about.
    pub async fn run(&mut self, query: Query<'_>) -> Result<u64, StoreError> {
        Ok(match &mut self.connection {
            Raw::Sqlite(connection, _) => Box::pin(query.prepare::<Sqlite>().execute(connection)).await?.rows_affected(),
            Raw::Postgres(connection) => Box::pin(query.prepare::<Postgres>().execute(connection)).await?.rows_affected(),
        })
    }

    /// Makes it durable, and lets go of the tables.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.end("COMMIT").await
    }

    /// Lets go of the tables, and of whatever was changed.
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
