//! The database: named questions and changes, no rules.

use std::path::Path;

use crate::engine::{Database, query};
use crate::{DatabaseUrl, Inspection, OpenMode, Restored, StoreError, UnixSeconds};

/// The open database.
#[derive(Clone)]
pub struct Store {
    pub(crate) database: Database,
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
    pub async fn wait_for_change(&self) {
        self.database.wait_for_change().await;
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
    pub(crate) async fn remove(&self, statement: &'static str, before: UnixSeconds, limit: i64) -> Result<u64, StoreError> {
        let mut tx = self.database.begin_yielding().await?;
        let removed = tx.run(query(statement).bind(before).bind(limit)).await?;
        tx.commit().await?;
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
        let mut tx = store.database.begin().await.expect("begun");
        let later = "INSERT INTO _latchkey_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, X'00', 0)";
        tx.run(query(later)).await.expect("inserted");
        tx.commit().await.expect("committed");
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
