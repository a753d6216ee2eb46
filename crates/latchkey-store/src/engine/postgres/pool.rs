//! Connections to PostgreSQL: how each is set up, and when it is no longer used.

use std::pin::Pin;

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, Postgres};
use tokio::time::Instant;

use super::within;
use crate::StoreError;
use crate::engine::{Query, Row};

/// The settings of each connection. The server's time limits end what no one waits for any more. The changes are written for
/// `READ COMMITTED`. `synchronous_commit` puts each change on disk before it is answered.
const SETTINGS: &str = "SET statement_timeout = '5s'; SET lock_timeout = '4s'; SET idle_in_transaction_session_timeout = '10s'; \
    SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Opens connections for the pool.
pub struct ConnectionManager(pub PgConnectOptions);

/// A connection of the pool.
pub struct Connection {
    raw: PgConnection,
    /// Whether work on it was begun and not finished; its state is then unknown.
    interrupted: bool,
}

/// Work on a connection.
type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'c>>;

impl Manager for ConnectionManager {
    type Type = Connection;
    type Error = StoreError;

    async fn create(&self) -> Result<Connection, StoreError> {
        let raw = connect(&self.0).await?;
        Ok(Connection { raw, interrupted: false })
    }

    /// Pings the connection before each use, so that one that broke in the meantime causes no 503.
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
    /// Returns all rows of a query.
    pub async fn all(&mut self, query: Query<'_>, deadline: Instant) -> Result<Vec<Row>, StoreError> {
        let rows = self
            .uninterrupted(deadline, |raw| Box::pin(query.prepare::<Postgres>().fetch_all(raw)))
            .await?;
        Ok(rows.into_iter().map(Row::Postgres).collect())
    }

    /// Runs a statement. Returns how many rows it affected.
    pub async fn run(&mut self, query: Query<'_>, deadline: Instant) -> Result<u64, StoreError> {
        let done = self
            .uninterrupted(deadline, |raw| Box::pin(query.prepare::<Postgres>().execute(raw)))
            .await?;
        Ok(done.rows_affected())
    }

    /// Finishes the work, or never uses the connection again: when the work takes too long, when its caller is cancelled, or when
    /// the connection breaks. After an error that the server itself reports, the connection stays usable.
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

/// Opens a connection and sets it up. Fails when the server is a standby.
pub async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let mut connection = PgConnection::connect_with(options).await?;
    sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
    let (follows,): (bool,) = sqlx::query_as("SELECT pg_is_in_recovery()").fetch_one(&mut connection).await?;
    if follows {
        return Err(StoreError::Standby);
    }
    Ok(connection)
}
