//! Lets changes of one statement that wait at the same time share a commit: each has to be on disk before its response, and one
//! wait for the disk is enough for all of them.

use std::sync::Arc;

use sqlx::sqlite::{Sqlite, SqlitePool};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Query, TIMEOUT};
use crate::StoreError;

/// The most changes in one commit, and the most that wait for the next one: together they take a few milliseconds.
const MAX_BATCH: usize = 64;

/// The queue of changes that wait for their commit.
#[derive(Clone)]
pub struct GroupCommit(mpsc::Sender<Waiting>);

struct Waiting {
    query: Query<'static>,
    done: oneshot::Sender<Result<u64, StoreError>>,
}

impl GroupCommit {
    /// Starts the task that writes, which runs as long as there is a sender.
    pub fn new(writer: SqlitePool) -> Self {
        let (sender, receiver) = mpsc::channel(MAX_BATCH);
        // A task of its own, so that a cancelled caller does not cancel the changes of others.
        tokio::spawn(keep_writing(writer, receiver));
        Self(sender)
    }

    /// Makes a change. Returns how many rows it affected, once it is durable. Fails when it cannot be made in time, or when
    /// another change that would have shared its commit fails; then neither was made.
    pub async fn run(&self, query: Query<'static>) -> Result<u64, StoreError> {
        let (done, outcome) = oneshot::channel();
        let written = async {
            self.0.send(Waiting { query, done }).await.ok()?;
            outcome.await.ok()
        };
        // The limit covers the wait for the writing connection and the wait for a lock on the file.
        let written = timeout(2 * TIMEOUT, written).await.map_err(|_| StoreError::slow())?;
        written.unwrap_or(Err(StoreError::Unavailable(sqlx::Error::PoolClosed)))
    }
}

async fn keep_writing(writer: SqlitePool, mut receiver: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(MAX_BATCH);
    while receiver.recv_many(&mut waiting, MAX_BATCH).await > 0 {
        let wanted = waiting.drain(..).filter(|one| !one.done.is_closed());
        let (queries, callers): (Vec<_>, Vec<_>) = wanted.map(|one| (one.query, one.done)).unzip();
        // A caller that was cancelled in the meantime needs no result.
        match write(&writer, queries).await {
            Ok(counts) => callers.into_iter().zip(counts).for_each(|(caller, count)| {
                let _ = caller.send(Ok(count));
            }),
            Err(error) => {
                let error = Arc::new(error);
                for caller in callers {
                    let _ = caller.send(Err(StoreError::Shared(Arc::clone(&error))));
                }
            }
        }
    }
}

/// Makes all changes or none: after an error, SQLite may have rolled back the earlier ones already.
async fn write(writer: &SqlitePool, queries: Vec<Query<'static>>) -> Result<Vec<u64>, StoreError> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let mut counts = Vec::with_capacity(queries.len());
    for query in queries {
        counts.push(query.prepare::<Sqlite>().execute(&mut *transaction).await?.rows_affected());
    }
    transaction.commit().await?;
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use futures_util::future::join_all;

    use super::super::SqliteStore;
    use super::*;
    use crate::engine::{OpenMode, query};

    fn insert(number: i64) -> Query<'static> {
        query("INSERT INTO throttles (key, until) VALUES ($1, 0)").bind(number.to_string())
    }

    async fn rows(file: &SqliteStore) -> i64 {
        let counted = file
            .all(query("SELECT COUNT(*) AS total FROM throttles"))
            .await
            .expect("run the query");
        counted[0].get("total").expect("read the count")
    }

    /// Returns how many pages the log holds. A commit writes one to three pages.
    fn written(dir: &Path) -> u64 {
        let log = dir.join("latchkey.db-wal").metadata().expect("read the size of the log");
        log.len() / 4096
    }

    #[tokio::test]
    async fn changes_that_wait_at_the_same_time_share_a_commit() {
        let dir = tempfile::tempdir().expect("create a temporary directory");
        let file = SqliteStore::open(&dir.path().join("latchkey.db"), OpenMode::Migrate)
            .await
            .expect("open the store");
        let before = written(dir.path());
        let counts = join_all((0..50).map(|number| file.write(insert(number)))).await;
        assert!(counts.into_iter().all(|count| count.expect("write the change") == 1));
        assert_eq!(rows(&file).await, 50);
        let pages = written(dir.path()) - before;
        assert!(pages < 10, "{pages} pages for one commit");
    }

    #[tokio::test]
    async fn a_failed_change_fails_all_that_share_its_commit_but_not_the_next() {
        let dir = tempfile::tempdir().expect("create a temporary directory");
        let file = SqliteStore::open(&dir.path().join("latchkey.db"), OpenMode::Migrate)
            .await
            .expect("open the store");
        file.write(insert(7)).await.expect("write the change");
        let outcomes = join_all((0..10).map(|number| file.write(insert(number)))).await;
        assert!(outcomes.into_iter().all(|outcome| outcome.is_err()), "row 7 exists already");
        assert_eq!(rows(&file).await, 1);
        file.write(insert(8)).await.expect("write the change");
    }

    #[tokio::test]
    async fn a_cancelled_caller_does_not_cancel_the_changes_of_others() {
        let dir = tempfile::tempdir().expect("create a temporary directory");
        let file = SqliteStore::open(&dir.path().join("latchkey.db"), OpenMode::Migrate)
            .await
            .expect("open the store");
        let busy = file.begin().await.expect("begin a transaction");
        let [gone, stays] = [1, 2].map(|number| {
            tokio::spawn({
                let file = file.clone();
                async move { file.write(insert(number)).await }
            })
        });
        tokio::task::yield_now().await;
        gone.abort();
        drop(busy);
        assert_eq!(stays.await.expect("the task was not aborted").expect("write the change"), 1);
    }
}
