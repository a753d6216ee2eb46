//! Connections that no limit of the others ends.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, raw_sql};
use tokio::time::Instant;

use super::{PATIENCE, within};
use crate::StoreError;
use crate::engine::LockMode;
use crate::engine::postgres::pool::connect;

/// What takes back the limits of a connection that answers requests, and those that an administrator set. Only the wait for
/// the tables keeps one: whoever writes queues behind it.
const NO_LIMITS: &str = "SET statement_timeout = 0; SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = 0; \
    SELECT set_config('transaction_timeout', '0', false) WHERE current_setting('transaction_timeout', true) IS NOT NULL";

/// How often it is tried to take the tables from programs that take them in another order.
const TRIES: usize = 5;

/// A connection of its own.
pub async fn alone(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let mut connection = within(Instant::now() + PATIENCE, connect(options)).await?;
    raw_sql(NO_LIMITS).execute(&mut connection).await?;
    Ok(connection)
}

/// Begins a transaction on a connection of its own and takes the tables, before it sees the first row: whatever others
/// committed by then is in it, and they commit nothing more until it is over.
pub async fn hold(options: &PgConnectOptions, hold: LockMode, tables: &[&str]) -> Result<PgConnection, StoreError> {
    let tables = tables.join(", ");
    let begin = match hold {
        LockMode::Reading => format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE {tables} IN SHARE MODE"),
        LockMode::Writing => format!("BEGIN; LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE"),
    };
    let mut connection = alone(options).await?;
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
