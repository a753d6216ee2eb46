//! Why nothing was moved.

use thiserror::Error;

use crate::StoreError;

/// One sentence; nothing was changed.
#[derive(Debug, Error)]
pub enum TransferError {
    /// Two URLs of one database.
    #[error("--from and --to are the same database")]
    Same,
    /// Nothing to move from.
    #[error("--from: there is no database of this program; a mistake in its name?")]
    NoSource,
    /// A source that is to be changed by nobody but a server.
    #[error(
        "--from: its tables are of an older version, and a move does not change it. Start the server once to update the database. Then stop it and repeat the move"
    )]
    OldSource,
    /// Nothing in it.
    #[error("--from: no account was ever made there, so there is nothing to move")]
    EmptySource,
    /// It cannot be read.
    #[error("--from: {0}")]
    Source(StoreError),
    /// Somebody else's.
    #[error("--to: it holds accounts, or held some, and nothing is written over them: name an empty database")]
    Foreign,
    /// What was moved there is not what the source holds.
    #[error(
        "--to: it holds what was moved from another database, or from this one before it changed: use it as it is, or name an empty one"
    )]
    AnotherMove,
    /// What was moved there is not what it holds.
    #[error("--to: this move is there already, and the database has been used since: use it as it is, or name an empty one")]
    Used,
    /// It cannot be written.
    #[error("--to: {0}")]
    Target(StoreError),
    /// What arrived is not what was sent.
    #[error("--to: {table} hold {there} rows where --from has {here}, or other ones; nothing was kept")]
    Differs {
        /// In which table.
        table: String,
        /// Rows of the source.
        here: i64,
        /// Rows of the target.
        there: i64,
    },
}
