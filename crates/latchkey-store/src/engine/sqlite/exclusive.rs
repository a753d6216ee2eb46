//! A connection that holds the file still.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, raw_sql};

use super::open::attach;
use crate::StoreError;
use crate::engine::LockMode;
use crate::engine::sqlite::file_identity::FileIdentity;
use crate::engine::sqlite::file_lock::FileLock;

/// Longest wait for a program that writes.
const WAIT: Duration = Duration::from_secs(30);

/// What keeps the file from being replaced while the connection is used. To be dropped after it.
pub struct Held {
    _place: FileIdentity,
    _lock: FileLock,
}

/// Opens a file that is there and takes its write lock.
pub async fn hold(path: &Path, hold: LockMode) -> Result<(SqliteConnection, Held), StoreError> {
    let (place, lock) = attach(path).await?;
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(WAIT)
        // Rows that wait to be taken.
        .row_buffer_size(500)
        // 64 MiB: much of what a large change touches is touched again.
        .pragma("cache_size", "-65536")
        .connect()
        .await?;
    raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await?;
    if hold == LockMode::Reading {
        raw_sql("PRAGMA query_only = ON").execute(&mut connection).await?;
    }
    let locks = Held {
        _place: place,
        _lock: lock,
    };
    Ok((connection, locks))
}
