//! One face for both engines. A question is one text that both take; what has to differ stands in `sqlite` and `postgres`.
//! The futures of PostgreSQL are boxed: they are large, and every request would carry them.

mod apart;
mod migrations;
mod postgres;
mod query;
mod sqlite;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

pub use apart::{Apart, Hold, Rows};
pub use query::{Query, Row, Value, query};

use super::StoreError;
use crate::server::config::DatabaseUrl;

/// Longest wait for a lock, a connection or an answer: below any client's patience, so that trouble becomes a 503.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open database.
#[derive(Clone)]
pub enum Database {
    Sqlite(sqlite::File),
    Postgres(Arc<postgres::Server>),
}

impl Database {
    /// Opens it and brings its tables up to date. On PostgreSQL at most so many connections answer requests.
    ///
    /// # Errors
    /// When it cannot be used or belongs to a newer program.
    pub async fn open(url: &DatabaseUrl, connections: usize) -> Result<Self, StoreError> {
        Ok(match url {
            DatabaseUrl::Sqlite(path) => Self::Sqlite(sqlite::File::open(path).await?),
            DatabaseUrl::Postgres(options) => Self::Postgres(Arc::new(Box::pin(postgres::Server::open(options, connections)).await?)),
        })
    }

    /// How many migrations it still needs, found out without changing it; nothing when it is still empty.
    ///
    /// # Errors
    /// When it cannot be read or belongs to a newer program.
    pub async fn pending_migrations(url: &DatabaseUrl) -> Result<Option<usize>, StoreError> {
        match url {
            DatabaseUrl::Sqlite(path) => sqlite::File::pending_migrations(path).await,
            DatabaseUrl::Postgres(options) => postgres::Server::pending_migrations(options).await,
        }
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
    pub async fn change(&self) -> Result<Change, StoreError> {
        Ok(match self {
            Self::Sqlite(file) => Change::Sqlite(file.change().await?),
            Self::Postgres(server) => Change::Postgres(Box::pin(server.change()).await?),
        })
    }

    /// Begins a change that gives way to those that an answer waits for.
    pub async fn change_that_yields(&self) -> Result<Change, StoreError> {
        Ok(match self {
            Self::Sqlite(file) => Change::Sqlite(file.change().await?),
            Self::Postgres(server) => Change::Postgres(Box::pin(server.change_that_yields()).await?),
        })
    }

    /// Gives the news after a position to `learn`, some of it perhaps once more; the position up to which all of it was seen.
    pub async fn news(&self, from: i64, learn: impl FnMut(Row) -> Result<(), StoreError>) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(file) => file.news(from, learn).await,
            Self::Postgres(server) => Box::pin(server.news(from, learn)).await,
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
    pub async fn bell(&self) {
        match self {
            Self::Sqlite(_) => pending().await,
            Self::Postgres(server) => server.bell().await,
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
pub enum Change {
    Sqlite(sqlite::Change),
    Postgres(postgres::Change),
}

impl Change {
    /// Makes a part of the change; how many rows it was about.
    pub async fn run(&mut self, query: Query<'_>) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(change) => change.run(query).await,
            Self::Postgres(change) => Box::pin(change.run(query)).await,
        }
    }

    /// Makes a part of the change that gives rows, or asks within it.
    pub async fn all(&mut self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(change) => change.all(query).await,
            Self::Postgres(change) => Box::pin(change.all(query)).await,
        }
    }

    /// Likewise, where there is one row or none.
    pub async fn one(&mut self, query: Query<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.all(query).await?.pop())
    }

    /// Makes it durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(change) => change.commit().await,
            Self::Postgres(change) => Box::pin(change.commit()).await,
        }
    }
}
