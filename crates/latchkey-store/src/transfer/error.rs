//! The errors of a move.

use thiserror::Error;

use crate::StoreError;

/// Why a move failed. Nothing was moved.
#[derive(Debug, Error)]
pub enum TransferError {
    /// Both URLs name the same database.
    #[error("--from and --to are the same database")]
    Same,
    /// The source does not exist.
    #[error("--from: there is no database of this program; a mistake in its name?")]
    NoSource,
    /// The source has an older schema, which only a server may update.
    #[error(
        "--from: its tables are of an older version, and a move does not change it. Start the server once to update the database. Then stop it and repeat the move"
    )]
    OldSource,
    /// No account was ever created in the source.
    #[error("--from: no account was ever made there, so there is nothing to move")]
    EmptySource,
    /// The source cannot be read.
    #[error("--from: {0}")]
    Source(StoreError),
    /// The target holds, or held, accounts of its own.
    #[error("--to: it holds accounts, or held some, and nothing is written over them: name an empty database")]
    Foreign,
    /// The target holds a move from another source, or from an earlier state of this one.
    #[error(
        "--to: it holds what was moved from another database, or from this one before it changed: use it as it is, or name an empty one"
    )]
    AnotherMove,
    /// The target holds this move and was used since.
    #[error("--to: this move is there already, and the database has been used since: use it as it is, or name an empty one")]
    Used,
    /// The target cannot be written.
    #[error("--to: {0}")]
    Target(StoreError),
    /// The rows in the target differ from those in the source.
    #[error("--to: {table} hold {there} rows where --from has {here}, or other ones; nothing was kept")]
    Differs {
        /// The table that differs.
        table: String,
        /// The number of rows in the source.
        here: i64,
        /// The number of rows in the target.
        there: i64,
    },
}
