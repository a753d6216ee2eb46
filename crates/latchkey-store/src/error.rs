//! The errors of queries and changes.

use std::sync::Arc;

use thiserror::Error;

/// An error of a query or a change.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database cannot be reached, is locked for too long or cannot write.
    #[error("the database cannot be used: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// The migrations do not fit the database, or one of them failed.
    #[error("{0}")]
    Migration(String),
    /// There is no database, and the command does not create one.
    #[error("there is no database yet")]
    NoDatabase,
    /// The tables belong to an older version, and the command does not migrate them.
    #[error("Start the server once to update the database.")]
    OldSchema,
    /// The database files cannot be used as they are.
    #[error("{0}")]
    File(String),
    /// A read found that the database file is damaged.
    #[error("the database file is damaged: stop the server and run `latchkey restore` with a backup")]
    Damaged,
    /// The open database file was moved, removed or overwritten.
    #[error("{0}")]
    Moved(&'static str),
    /// The PostgreSQL server is a standby: it follows another server and accepts no changes.
    #[error("this PostgreSQL server is a standby and accepts no changes: use the URL of the primary")]
    Standby,
    /// The operation is not supported, because this database has a better tool for it.
    #[error("{0}")]
    NotHere(&'static str),
    /// The database has not answered for longer than any step may take.
    #[error("the database does not answer")]
    Silent,
    /// The change was to be committed together with others, and none of them was made.
    #[error("{0}")]
    Shared(Arc<Self>),
    /// A row holds a value that this program never writes.
    #[error("the database contains an unknown {0}")]
    Corrupt(&'static str),
}

impl StoreError {
    /// Returns the error for a database that did not answer in time.
    pub const fn slow() -> Self {
        Self::Unavailable(sqlx::Error::PoolTimedOut)
    }
}
