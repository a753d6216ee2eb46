//! The lock file beside a database file. Every program that has the database open holds a shared lock on it; a program that
//! creates, migrates or replaces the database holds it exclusively. The lock file contains the ids that the database file may
//! have (see [`FileIdentity`](crate::engine::sqlite::file_identity::FileIdentity)). It is a separate file, because opening and
//! closing the database file itself would drop SQLite's locks on it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::files::{beside, restrict};
use crate::StoreError;

/// The longest wait for a program that holds the lock exclusively.
const WAIT: Duration = Duration::from_secs(10);

/// The time between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// How the lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileLockMode {
    /// No other program has the database open.
    Exclusive,
    /// Other programs may have the database open too.
    Shared,
}

/// The lock file, open and locked until it is dropped or [`release`](Self::release)d.
pub struct FileLock {
    file: File,
    path: PathBuf,
    deadline: Instant,
}

impl FileLock {
    /// Opens the lock file, creating it with mode 0600 if it does not exist, without locking it.
    pub fn open(database: &Path) -> Result<Self, StoreError> {
        let path = beside(database, "-lock");
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = opened.map_err(|error| StoreError::File(format!("{} cannot be opened: {error}", path.display())))?;
        restrict(&path);
        Ok(Self {
            file,
            path,
            deadline: Instant::now() + WAIT,
        })
    }

    /// Locks exclusively if no other program holds the lock, otherwise shared. Fails when another program holds it exclusively
    /// until the deadline.
    pub async fn lock(&self) -> Result<FileLockMode, StoreError> {
        loop {
            if self.try_lock()? {
                return Ok(FileLockMode::Exclusive);
            }
            if self.acquired(self.file.try_lock_shared())? {
                return Ok(FileLockMode::Shared);
            }
            self.pause("another program keeps it locked; stop that program, or remove the file if it belongs to another user")
                .await?;
        }
    }

    /// Locks exclusively unless another program holds the lock. Returns whether it did.
    pub fn try_lock(&self) -> Result<bool, StoreError> {
        self.acquired(self.file.try_lock())
    }

    /// Changes to a shared lock, so that other programs can open the database too. Another program may hold the exclusive lock
    /// before this returns, so everything that was read under this program's exclusive lock has to be read again. Fails when
    /// another program holds the lock exclusively until the deadline.
    pub async fn share(&self) -> Result<(), StoreError> {
        while !self.acquired(self.file.try_lock_shared())? {
            self.pause("another program keeps it locked; stop that program").await?;
        }
        Ok(())
    }

    /// Releases the lock and waits before another attempt to lock exclusively. Fails when others have held it shared until the
    /// deadline.
    pub async fn retry(&self) -> Result<(), StoreError> {
        self.release();
        self.pause("the database has to be created or updated, and another program has it open; stop that program first")
            .await
    }

    /// Releases the lock.
    pub fn release(&self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "the lock file of the database could not be unlocked");
        }
    }

    /// Returns the ids that the database file may have; none if only an older version has opened it.
    pub fn ids(&self) -> Result<Vec<u32>, StoreError> {
        let mut text = String::new();
        let mut file = &self.file;
        let read = file.rewind().and_then(|()| file.take(100).read_to_string(&mut text));
        read.map_err(|error| self.error("read", &error))?;
        Ok(parse_ids(&text))
    }

    /// Replaces these ids, durably.
    pub fn set_ids(&self, ids: &[u32]) -> Result<(), StoreError> {
        let text: String = ids.iter().map(|id| format!("{id:08x}\n")).collect();
        let mut file = &self.file;
        let written = file
            .rewind()
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.set_len(text.len() as u64))
            .and_then(|()| file.sync_all());
        written.map_err(|error| self.error("written", &error))
    }

    fn acquired(&self, tried: Result<(), TryLockError>) -> Result<bool, StoreError> {
        match tried {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(self.error("locked", &error)),
        }
    }

    async fn pause(&self, reason: &str) -> Result<(), StoreError> {
        if Instant::now() >= self.deadline {
            return Err(StoreError::File(format!("{}: {reason}", self.path.display())));
        }
        sleep(PAUSE).await;
        Ok(())
    }

    fn error(&self, what: &str, error: &io::Error) -> StoreError {
        StoreError::File(format!("{} cannot be {what}: {error}", self.path.display()))
    }
}

/// Reads the ids without a lock and without creating the file, for commands that change nothing.
pub fn read_ids(database: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(beside(database, "-lock")).unwrap_or_default();
    parse_ids(&text)
}

/// Parses the ids. Ignores the partial id of a file that a crash cut short; every whole id has eight digits.
fn parse_ids(text: &str) -> Vec<u32> {
    let whole = text.lines().filter(|line| line.len() == 8);
    whole.filter_map(|line| u32::from_str_radix(line, 16).ok()).collect()
}
