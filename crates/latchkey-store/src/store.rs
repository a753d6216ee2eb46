//! The [`Store`]: named queries and changes, without any rules.

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
    /// Opens the database, creates it if it does not exist and brings its tables up to date. On PostgreSQL at most `connections`
    /// connections answer requests at the same time.
    pub async fn open(url: &DatabaseUrl, connections: usize) -> Result<Self, StoreError> {
        Self::open_as(url, connections, OpenMode::Migrate).await
    }

    /// Opens the database. `mode` says whether it may be created and migrated.
    ///
    /// # Errors
    /// [`StoreError::NoDatabase`] or [`StoreError::OldSchema`] when the mode does not allow to create or to migrate the database;
    /// [`StoreError::Migration`] when a newer version of this program has migrated it.
    pub async fn open_as(url: &DatabaseUrl, connections: usize, mode: OpenMode) -> Result<Self, StoreError> {
        let database = Database::open(url, connections, mode).await?;
        Ok(Self {
            key_salt: database.key_salt().await?,
            database,
        })
    }

    /// Reads the number of pending migrations and the key salt of a database without changing it. Returns `None` when there is no
    /// database yet.
    pub async fn inspect(url: &DatabaseUrl) -> Result<Option<Inspection>, StoreError> {
        Database::inspect(url).await
    }

    /// Returns how many migrations a database still needs, without changing it. Returns `None` when there is no database yet.
    pub async fn pending_migrations(url: &DatabaseUrl) -> Result<Option<usize>, StoreError> {
        Ok(Self::inspect(url).await?.map(|found| found.pending_migrations))
    }

    /// Replaces a SQLite file by a backup. `salt` becomes the salt of the token keys, so that no token issued before is accepted.
    /// Fails when a program has the database open, and when the backup is damaged or is not a database of this program.
    pub async fn restore(database: &Path, backup: &Path, salt: &str, now: UnixSeconds) -> Result<Restored, StoreError> {
        Database::restore(database, backup, salt, now).await
    }

    /// Returns the salt of the token keys; it is empty until a backup is restored for the first time.
    pub fn key_salt(&self) -> &str {
        &self.key_salt
    }

    /// Checks that the tables that a sign-in needs can be read.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.database.ping().await
    }

    /// Copies the database as it is at one moment into an empty file. It only reads, so no other query waits for it. Returns
    /// [`StoreError::NotHere`] for a database that has a better tool of its own.
    pub async fn copy_to(&self, file: &str) -> Result<(), StoreError> {
        self.database.copy_to(file).await
    }

    /// Waits until there may be new revocations. Without notifications, as on SQLite, it waits forever.
    pub async fn wait_for_change(&self) {
        self.database.wait_for_change().await;
    }

    /// Listens for notifications of new revocations for as long as the program runs.
    pub async fn listen(&self) {
        self.database.listen().await;
    }

    /// Returns how many pooled connections are open, how many of these are idle, and how many requests wait for one. Returns
    /// `None` for a database without a shared pool (SQLite).
    pub fn connections(&self) -> Option<(usize, usize, usize)> {
        self.database.connections()
    }

    /// Closes the database. On SQLite it waits for running statements first.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Deletes a batch of rows with a statement whose `$1` is the time `before` and whose `$2` is the limit. Returns how many
    /// rows it deleted.
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
    async fn a_database_of_a_newer_program_is_refused_with_an_explanation() {
        let dir = tempfile::tempdir().expect("create a temporary directory");
        let url = DatabaseUrl::Sqlite(dir.path().join("latchkey.db"));
        let store = Store::open(&url, 1).await.expect("open the store");
        let mut tx = store.database.begin().await.expect("begin a transaction");
        let later = "INSERT INTO _latchkey_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', TRUE, X'00', 0)";
        tx.run(query(later)).await.expect("insert a migration");
        tx.commit().await.expect("commit");
        store.close().await;
        let error = Store::open(&url, 1)
            .await
            .map(|_| ())
            .expect_err("a newer database must be refused")
            .to_string();
        assert!(error.contains("newer version"), "{error}");
    }

    #[tokio::test]
    async fn opening_a_database_twice_keeps_its_content() {
        let dir = tempfile::tempdir().expect("create a temporary directory");
        let url = DatabaseUrl::Sqlite(dir.path().join("latchkey.db"));
        let first = Store::open(&url, 1).await.expect("open the store");
        let second = Store::open(&url, 1).await.expect("open the store while it is in use");
        first.ping().await.expect("read the tables");
        second.ping().await.expect("read the tables");
    }
}
