//! PostgreSQL connections without the time limits of the pool.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, raw_sql};
use tokio::time::Instant;

use super::{TIMEOUT, within};
use crate::StoreError;
use crate::engine::LockMode;
use crate::engine::postgres::pool::connect;

/// Removes the time limits of a connection that answers requests, and those that an administrator has set. Only the wait for the
/// table locks stays limited, because every writer queues behind it.
const NO_LIMITS: &str = "SET statement_timeout = 0; SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = 0; \
    SELECT set_config('transaction_timeout', '0', false) WHERE current_setting('transaction_timeout', true) IS NOT NULL";

/// How often to try to lock the tables when other programs lock them in another order.
const TRIES: usize = 5;

/// Opens a connection outside the pool and without time limits.
pub async fn connect_unlimited(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let mut connection = within(Instant::now() + TIMEOUT, connect(options)).await?;
    raw_sql(NO_LIMITS).execute(&mut connection).await?;
    Ok(connection)
}

/// Begins a transaction on a connection of its own and locks the tables before it reads the first row. It therefore sees
/// everything that others have committed by then, and others commit nothing more until it ends.
pub async fn hold(options: &PgConnectOptions, hold: LockMode, tables: &[&str]) -> Result<PgConnection, StoreError> {
    let tables = tables.join(", ");
    let begin = match hold {
        LockMode::Reading => format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE {tables} IN SHARE MODE"),
        LockMode::Writing => format!("BEGIN; LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE"),
    };
    let mut connection = connect_unlimited(options).await?;
    let mut tries = 0;
    loop {
        tries += 1;
        match raw_sql(AssertSqlSafe(begin.clone())).execute(&mut connection).await {
            Ok(_) => return Ok(connection),
            Err(error) if tries < TRIES && is_deadlock(&error) => {
                raw_sql("ROLLBACK").execute(&mut connection).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_deadlock(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.code().as_deref() == Some("40P01"))
}
