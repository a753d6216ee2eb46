//! The database: named questions and changes, no rules.

mod database;
mod end_all;
mod events;
mod live_sessions;
pub mod moving;
mod removed_accounts;
mod revocations;
mod session_ends;
mod sessions;
mod throttles;
mod users;
mod uses;

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

pub use crate::server::store::database::{Inspection, OpenMode, Restored};
pub use crate::server::store::live_sessions::{COUNTED, Counted, Listed};
pub use crate::server::store::session_ends::{Ended, Ending, Which};
pub use crate::server::store::sessions::{NewSession, Rotation};
pub use crate::server::store::users::{InitialRole, NewUser};

use self::database::{Database, query};
use super::clock::UnixSeconds;
use super::config::DatabaseUrl;

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

/// The open database.
#[derive(Clone)]
pub struct Store {
    database: Database,
    key_salt: String,
}

impl Store {
    /// Opens the database, created where there is none, and brings its tables up to date. On PostgreSQL at most so many
    /// connections answer requests at a time.
    ///
    /// # Errors
    /// When it cannot be used or belongs to a newer program.
    pub async fn open(url: &DatabaseUrl, connections: usize) -> Result<Self, StoreError> {
        Self::open_as(url, connections, OpenMode::Migrate).await
    }

    /// Opens the database; the mode says whether it may be created and migrated.
    ///
    /// # Errors
    /// When it cannot be used, belongs to a newer program, or needs what the mode does not allow.
    pub async fn open_as(url: &DatabaseUrl, connections: usize, mode: OpenMode) -> Result<Self, StoreError> {
        let database = Database::open(url, connections, mode).await?;
        Ok(Self {
            key_salt: database.key_salt().await?,
            database,
        })
    }

    /// Reads what there is to know about a database without changing it; nothing when there is no database yet.
    ///
    /// # Errors
    /// When it cannot be read or belongs to a newer program.
    pub async fn inspect(url: &DatabaseUrl) -> Result<Option<Inspection>, StoreError> {
        Database::inspect(url).await
    }

    /// How many migrations a database still needs, found out without changing it; nothing when there is no database yet.
    ///
    /// # Errors
    /// When it cannot be read or belongs to a newer program.
    pub async fn pending_migrations(url: &DatabaseUrl) -> Result<Option<usize>, StoreError> {
        Ok(Self::inspect(url).await?.map(|found| found.pending_migrations))
    }

    /// Puts a backup in the place of a SQLite file. The salt becomes that of the keys of tokens: no token from before is
    /// accepted.
    ///
    /// # Errors
    /// When a program has the database open, or the backup is damaged or not one of this program.
    pub async fn restore(database: &Path, backup: &Path, salt: &str, now: UnixSeconds) -> Result<Restored, StoreError> {
        Database::restore(database, backup, salt, now).await
    }

    /// The salt of the keys of tokens; empty before a backup was ever restored.
    pub fn key_salt(&self) -> &str {
        &self.key_salt
    }

    /// Whether the tables that a sign-in needs can be read.
    ///
    /// # Errors
    /// When they cannot.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.database.ping().await
    }

    /// Copies everything as it stands at one moment into an empty file. Nobody waits for it: it only reads.
    ///
    /// # Errors
    /// When the database cannot be read, the file not be written, or the database has a better tool of its own.
    pub async fn copy_to(&self, file: &str) -> Result<(), StoreError> {
        self.database.copy_to(file).await
    }

    /// Waits until there may be news. Where nobody tells, it waits for ever.
    pub async fn bell(&self) {
        self.database.bell().await;
    }

    /// Has itself told of news for as long as the program runs.
    pub async fn listen(&self) {
        self.database.listen().await;
    }

    /// Where connections are shared by requests: those that are open, those of them that are idle, and requests that wait.
    pub fn connections(&self) -> Option<(usize, usize, usize)> {
        self.database.connections()
    }

    /// Waits for what is under way and closes the database.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Removes a batch of rows by a statement that is told how old and how many. How many there were.
    async fn remove(&self, statement: &'static str, before: UnixSeconds, limit: i64) -> Result<u64, StoreError> {
        let mut change = self.database.change_that_yields().await?;
        let removed = change.run(query(statement).bind(before).bind(limit)).await?;
        change.commit().await?;
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_of_a_newer_program_is_refused_with_a_sentence() {
        let dir = tempfile::tempdir().expect("a directory");
        let url = DatabaseUrl::Sqlite(dir.path().join("latchkey.db"));
        let store = Store::open(&url, 1).await.expect("opened");
        let mut change = store.database.change().await.expect("begun");
        let later =
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, X'00', 0)";
        change.run(query(later)).await.expect("inserted");
        change.commit().await.expect("committed");
        store.close().await;
        let error = Store::open(&url, 1).await.map(|_| ()).expect_err("refused").to_string();
        assert!(error.contains("newer version"), "{error}");
    }

    #[tokio::test]
    async fn opening_twice_keeps_what_is_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let url = DatabaseUrl::Sqlite(dir.path().join("latchkey.db"));
        let first = Store::open(&url, 1).await.expect("opened");
        let second = Store::open(&url, 1).await.expect("opened while in use");
        first.ping().await.expect("answers");
        second.ping().await.expect("answers");
    }
}
