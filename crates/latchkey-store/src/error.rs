//! What can go wrong with a query or a change.

use std::sync::Arc;

use thiserror::Error;

/// What can go wrong with a question or a change.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database cannot be reached, is locked for too long or cannot write.
    #[error("the database cannot be used: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// The migrations do not fit the database.
    #[error("{0}")]
    Migration(String),
    /// There is nothing to open, and the command creates none.
    #[error("there is no database yet")]
    NoDatabase,
    /// The tables are of an older version, and the command does not migrate them.
    #[error("Start the server once to update the database.")]
    OldSchema,
    /// The files of the database cannot be used as they are.
    #[error("{0}")]
    File(String),
    /// A read found the file damaged.
    #[error("the database file is damaged: stop the server and run `latchkey restore` with a backup")]
    Damaged,
    /// The file is not where it was.
    #[error("{0}")]
    Moved(&'static str),
    /// It only follows another server and takes no changes.
    #[error("this PostgreSQL server is a standby and takes no changes: name the one that does")]
    Standby,
    /// Something that this database has a better tool for.
    #[error("{0}")]
    NotHere(&'static str),
    /// Nothing was heard from it for longer than any step may take.
    #[error("the database does not answer any more")]
    Silent,
    /// It was to be written together with others, and none of them was.
    #[error("{0}")]
    Shared(Arc<Self>),
    /// A row holds what this program never writes.
    #[error("the database holds an unknown {0}")]
    Corrupt(&'static str),
}

impl StoreError {
    /// It did not answer in time.
    pub const fn slow() -> Self {
        Self::Unavailable(sqlx::Error::PoolTimedOut)
    }
}
