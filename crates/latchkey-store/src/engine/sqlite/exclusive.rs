//! A connection that holds the write lock of the file.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, raw_sql};

use super::open::attach;
use crate::StoreError;
use crate::engine::LockMode;
use crate::engine::sqlite::file_identity::FileIdentity;
use crate::engine::sqlite::file_lock::FileLock;

/// The longest wait for another program that writes.
const WAIT: Duration = Duration::from_secs(30);

/// Keeps the file from being replaced while the connection is used. Drop it after the connection.
pub struct Held {
    _identity: FileIdentity,
    _lock: FileLock,
}

/// Opens an existing file and takes its write lock. Fails when another program does not release the file in time.
pub async fn hold(path: &Path, hold: LockMode) -> Result<(SqliteConnection, Held), StoreError> {
    let (identity, lock) = attach(path).await?;
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(WAIT)
        // How many rows may be read ahead.
        .row_buffer_size(500)
        // 64 MiB, because a large change touches many pages again.
        .pragma("cache_size", "-65536")
        .connect()
        .await?;
    raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await?;
    if hold == LockMode::Reading {
        raw_sql("PRAGMA query_only = ON").execute(&mut connection).await?;
    }
    let locks = Held {
        _identity: identity,
        _lock: lock,
    };
    Ok((connection, locks))
}
