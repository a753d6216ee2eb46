//! Where the file is, and who may bring its tables up to date.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use crate::server::store::StoreError;

/// The file that was opened. An open file can be moved or removed: what is then written to it, nobody would find again.
#[derive(Clone)]
pub struct Place {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Place {
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// Whether it is still where it was.
    pub fn check(&self) -> Result<(), StoreError> {
        match self.path.metadata() {
            Ok(now) if (now.dev(), now.ino()) == (self.device, self.inode) => Ok(()),
            Ok(_) => Err(StoreError::Moved(
                "another file is in the place of the database: put it back, or restart",
            )),
            Err(_) => Err(StoreError::Moved("the file of the database is gone: put it back")),
        }
    }
}

/// Waits until no other program brings the tables of this file up to date, and keeps others waiting until it is
/// dropped. On a file beside it: to open and close the database itself would drop SQLite's own locks on it.
pub async fn lock(file: &Path) -> Result<File, StoreError> {
    let mut beside = file.as_os_str().to_owned();
    beside.push("-lock");
    let locked = spawn_blocking(move || {
        let file = File::create(beside)?;
        file.lock()?;
        Ok(file)
    });
    let locked = locked.await.map_err(io::Error::other).flatten();
    locked.map_err(|error: io::Error| StoreError::Migration(format!("the tables could not be locked to bring them up to date: {error}")))
}
