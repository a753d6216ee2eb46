//! Connections that only read. Each is a thread, and a round trip to it costs more than most queries. The pool of sqlx makes three
//! round trips per query, because it pings a connection before its use (sqlx issue 1743) and always after it (sqlx pull request
//! 1025, which cannot be turned off). An open file needs no ping.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::{Query, Row, TIMEOUT};
use crate::StoreError;

/// How many queries run at the same time.
const READERS: u32 = 4;

/// The connections and the permits to use them.
#[derive(Clone)]
pub struct ReaderPool(Arc<Inner>);

struct Inner {
    options: SqliteConnectOptions,
    /// The connection that has been idle for longest comes first, so that one whose query was abandoned is used last.
    idle: Mutex<VecDeque<SqliteConnection>>,
    permits: Semaphore,
}

impl ReaderPool {
    /// Opens all connections now: a connection that is opened later could hang with the disk, and then another one after it.
    pub async fn open(options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let options = options.read_only(true);
        let mut idle = VecDeque::new();
        for _ in 0..READERS {
            idle.push_back(options.connect().await?);
        }
        Ok(Self(Arc::new(Inner {
            options,
            idle: Mutex::new(idle),
            permits: Semaphore::new(READERS as usize),
        })))
    }

    /// Returns all rows of a query. Fails when no connection is free in time.
    pub async fn all(&self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        let mut reader = self.0.reader().await?;
        let rows = query.prepare::<Sqlite>().fetch_all(reader.connection().await?).await;
        if matches!(rows, Err(sqlx::Error::WorkerCrashed)) {
            reader.connection = None;
        }
        Ok(rows?.into_iter().map(Row::Sqlite).collect())
    }

    /// Waits for running queries and closes the connections.
    pub async fn close(&self) {
        let all = self.0.permits.acquire_many(READERS).await;
        let connections = std::mem::take(&mut *self.0.idle());
        for connection in connections {
            // It only read, so an error here loses nothing.
            let _ = connection.close().await;
        }
        self.0.permits.close();
        drop(all);
    }
}

impl Inner {
    async fn reader(&self) -> Result<Reader<'_>, StoreError> {
        let permit = timeout(TIMEOUT, self.permits.acquire()).await.map_err(|_| StoreError::slow())?;
        let permit = permit.map_err(|_| StoreError::Unavailable(sqlx::Error::PoolClosed))?;
        Ok(Reader {
            all: self,
            connection: self.idle().pop_front(),
            _permit: permit,
        })
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. It returns to the pool even when its caller is cancelled; the next query on it then waits behind the
/// abandoned one, so that a hanging disk blocks no more threads than there are readers.
struct Reader<'a> {
    all: &'a Inner,
    connection: Option<SqliteConnection>,
    _permit: SemaphorePermit<'a>,
}

impl Reader<'_> {
    /// Returns the connection; opens a new one if its thread has ended.
    async fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        Ok(match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.all.options.connect().await?),
        })
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.all.idle().extend(self.connection.take());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::super::SqliteStore;
    use super::*;
    use crate::engine::{OpenMode, query};

    /// Counts up to a number.
    const COUNT: &str =
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1) SELECT COUNT(*) AS total FROM numbers";

    async fn file() -> (tempfile::TempDir, SqliteStore) {
        let dir = tempfile::tempdir().expect("create a temporary directory");
        let file = SqliteStore::open(&dir.path().join("latchkey.db"), OpenMode::Migrate)
            .await
            .expect("open the store");
        (dir, file)
    }

    async fn count(file: &SqliteStore, up_to: i64) -> Result<i64, StoreError> {
        file.all(query(COUNT).bind(up_to)).await?[0].get("total")
    }

    #[tokio::test]
    async fn more_queries_than_connections_are_all_answered() {
        let (_dir, file) = file().await;
        let answers = join_all((1..=100).map(|number| count(&file, number))).await;
        for (number, answer) in (1..=100).zip(answers) {
            assert_eq!(answer.expect("run the query"), number);
        }
    }

    #[tokio::test]
    async fn a_cancelled_query_returns_its_connection() {
        let (_dir, file) = file().await;
        for _ in 0..3 * READERS {
            let left = timeout(Duration::from_millis(1), count(&file, 100_000)).await;
            assert!(left.is_err(), "the query finished before the timeout");
        }
        assert_eq!(count(&file, 7).await.expect("run the query"), 7);
        assert_eq!(file.readers.0.idle().len(), READERS as usize);
    }

    #[tokio::test]
    async fn the_next_query_does_not_wait_behind_an_abandoned_one() {
        let (_dir, file) = file().await;
        let long = 20_000_000;
        assert!(
            timeout(Duration::from_millis(1), count(&file, long)).await.is_err(),
            "the query finished before the timeout"
        );
        for _ in 1..READERS {
            let quick = timeout(Duration::from_secs(1), count(&file, 7))
                .await
                .expect("the query finishes within a second");
            assert_eq!(quick.expect("run the query"), 7);
        }
    }

    #[tokio::test]
    async fn a_closed_pool_refuses_queries() {
        let (_dir, file) = file().await;
        file.close().await;
        assert!(count(&file, 7).await.is_err());
    }
}
