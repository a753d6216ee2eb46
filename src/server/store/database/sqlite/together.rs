//! Changes of one statement that wait at the same time share a commit: each has to be on the disk before its answer, and
//! one wait for the disk is enough for all of them.

use std::sync::Arc;

use sqlx::sqlite::{Sqlite, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use super::Query;
use crate::server::store::StoreError;

/// Most changes of one commit, and most that wait for the next: together they take a few milliseconds.
const MOST: usize = 64;

/// Where changes wait for their commit.
#[derive(Clone)]
pub struct Together(mpsc::Sender<Waiting>);

struct Waiting {
    query: Query<'static>,
    done: oneshot::Sender<Result<u64, StoreError>>,
}

impl Together {
    /// Writes for as long as somebody may have something to write.
    pub fn new(writer: SqlitePool) -> Self {
        let (sender, receiver) = mpsc::channel(MOST);
        // A task of its own: a caller that goes away takes nobody else's change with it.
        tokio::spawn(keep_writing(writer, receiver));
        Self(sender)
    }

    /// How many rows a change was about, once it is durable.
    ///
    /// # Errors
    /// When it cannot be made, or another one that would have shared its commit: then neither was made.
    pub async fn run(&self, query: Query<'static>) -> Result<u64, StoreError> {
        let (done, outcome) = oneshot::channel();
        let closed = || StoreError::Unavailable(sqlx::Error::PoolClosed);
        self.0.send(Waiting { query, done }).await.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }
}

async fn keep_writing(writer: SqlitePool, mut receiver: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(MOST);
    while receiver.recv_many(&mut waiting, MOST).await > 0 {
        let (queries, callers): (Vec<_>, Vec<_>) = waiting.drain(..).map(|one| (one.query, one.done)).unzip();
        // Whoever does not wait any more does not need to know.
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

/// All of them or none: after an error SQLite may have undone those before it already.
async fn write(writer: &SqlitePool, queries: Vec<Query<'static>>) -> Result<Vec<u64>, StoreError> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let mut counts = Vec::with_capacity(queries.len());
    for query in queries {
        counts.push(query.prepare::<Sqlite>().execute(&mut *transaction).await?.rows_affected());
    }
    transaction.commit().await?;
    Ok(counts)
}
