//! ConnectionManager to PostgreSQL: how each is set up, and when it is used no more.

use std::pin::Pin;

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, Postgres};
use tokio::time::Instant;

use super::within;
use crate::StoreError;
use crate::engine::{Query, Row};

/// What a connection is told first. The server's own limits end what nobody waits for any more; `READ COMMITTED` is what the
/// changes are written for; an answer is given only for what is on disk.
const SETTINGS: &str = "SET statement_timeout = '5s'; SET lock_timeout = '4s'; SET idle_in_transaction_session_timeout = '10s'; \
    SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Makes connections for the pool.
pub struct ConnectionManager(pub PgConnectOptions);

/// A connection of the pool.
pub struct Connection {
    raw: PgConnection,
    /// Whether something was begun on it and did not come to its end: what it is in the middle of, nobody knows.
    interrupted: bool,
}

/// What is done on a connection.
type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'c>>;

impl Manager for ConnectionManager {
    type Type = Connection;
    type Error = StoreError;

    async fn create(&self) -> Result<Connection, StoreError> {
        let raw = connect(&self.0).await?;
        Ok(Connection { raw, interrupted: false })
    }

    /// Tried each time: one that broke meanwhile costs nobody a 503.
    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<StoreError> {
        if connection.interrupted {
            return Err(RecycleError::message("interrupted"));
        }
        connection.interrupted = true;
        connection.raw.ping().await.map_err(StoreError::from)?;
        connection.interrupted = false;
        Ok(())
    }
}

impl Connection {
    /// All rows of an answer.
    pub async fn all(&mut self, query: Query<'_>, deadline: Instant) -> Result<Vec<Row>, StoreError> {
        let rows = self
            .uninterrupted(deadline, |raw| Box::pin(query.prepare::<Postgres>().fetch_all(raw)))
            .await?;
        Ok(rows.into_iter().map(Row::Postgres).collect())
    }

    /// How many rows a change was about.
    pub async fn run(&mut self, query: Query<'_>, deadline: Instant) -> Result<u64, StoreError> {
        let done = self
            .uninterrupted(deadline, |raw| Box::pin(query.prepare::<Postgres>().execute(raw)))
            .await?;
        Ok(done.rows_affected())
    }

    /// Does something to its end, or never uses the connection again: when it took too long, when its caller went away, or
    /// when the connection broke. What the server itself refuses leaves the connection as it was.
    async fn uninterrupted<'c, T>(
        &'c mut self,
        deadline: Instant,
        work: impl FnOnce(&'c mut PgConnection) -> Work<'c, T>,
    ) -> Result<T, StoreError> {
        if self.interrupted {
            return Err(StoreError::slow());
        }
        let Self { raw, interrupted } = self;
        *interrupted = true;
        let done = within(deadline, async { Ok(work(raw).await) }).await?;
        *interrupted = !matches!(done, Ok(_) | Err(sqlx::Error::Database(_)));
        Ok(done?)
    }
}

/// A connection that is set up.
pub async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let mut connection = PgConnection::connect_with(options).await?;
    sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
    let (follows,): (bool,) = sqlx::query_as("SELECT pg_is_in_recovery()").fetch_one(&mut connection).await?;
    if follows {
        return Err(StoreError::Standby);
    }
    Ok(connection)
}
