//! The errors of a move.

use thiserror::Error;

use crate::StoreError;

/// Why a move failed. Nothing was moved.
#[derive(Debug, Error)]
pub enum TransferError {
    /// Both URLs name the same database.
    #[error("--from and --to name the same database")]
    Same,
    /// The source does not exist.
    #[error("--from: there is no Latchkey database at this URL; check the URL")]
    NoSource,
    /// The source has an older schema, which only a server may update.
    #[error(
        "--from: this database has the tables of an older version, and a move does not change them. Start the server once to update the database. Then stop it and repeat the move"
    )]
    OldSource,
    /// No account was ever created in the source.
    #[error("--from: no account was ever created in this database, so there is nothing to move")]
    EmptySource,
    /// The source cannot be read.
    #[error("--from: {0}")]
    Source(StoreError),
    /// The target holds, or held, accounts of its own.
    #[error("--to: this database has or had accounts, and a move does not overwrite them: use an empty database")]
    Foreign,
    /// The target holds a move from another source, or from an earlier state of this one.
    #[error(
        "--to: this database holds a move from another database, or from an earlier state of --from: use it as it is, or move to an empty database"
    )]
    AnotherMove,
    /// The target holds this move and was used since.
    #[error("--to: this move was already made, and the database was used since: use it as it is, or move to an empty database")]
    Used,
    /// The target cannot be written.
    #[error("--to: {0}")]
    Target(StoreError),
    /// The rows in the target differ from those in the source.
    #[error("--to: the table {table} has {there} rows and the one in --from has {here}, or their contents differ; nothing was moved")]
    Differs {
        /// The table that differs.
        table: String,
        /// The number of rows in the source.
        here: i64,
        /// The number of rows in the target.
        there: i64,
    },
}
