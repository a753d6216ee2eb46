//! The identity of the open database file, which shows when the file was moved, removed or overwritten.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::StoreError;

/// The offset in the header of a database file of the number that `PRAGMA user_version` sets: 32 bits, big-endian. Each start of
/// the server writes a random id there and into the lock file, so a file with another id was put there by someone else.
const ID_OFFSET: u64 = 60;

/// The files, by device and inode, that this process has open in addition to SQLite.
type OpenFiles = Vec<((u64, u64), Weak<File>)>;

/// One handle for each database file, however often this process has it open: closing a second handle drops SQLite's locks.
static OPEN: Mutex<OpenFiles> = Mutex::new(Vec::new());

/// The file that was opened. An open file can be moved, removed or overwritten; what is written to it afterwards would be lost or
/// would destroy the file that replaced it.
#[derive(Clone)]
pub struct FileIdentity(Arc<Inner>);

struct Inner {
    path: PathBuf,
    identity: (u64, u64),
    header: Arc<File>,
    overwritten: AtomicBool,
}

impl FileIdentity {
    /// Opens the file in addition to SQLite, and before SQLite does.
    pub fn of(path: &Path) -> io::Result<Self> {
        let identity = identity(path)?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, file)| file.strong_count() > 0);
        let known = open.iter().find(|(known, _)| *known == identity);
        let header = if let Some(file) = known.and_then(|(_, file)| file.upgrade()) {
            file
        } else {
            let file = Arc::new(File::open(path)?);
            open.push((identity, Arc::downgrade(&file)));
            file
        };
        drop(open);
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            identity,
            header,
            overwritten: AtomicBool::new(false),
        })))
    }

    /// Returns the id in the header of the file itself, whatever its write-ahead log contains; 0 when it has none.
    pub fn id(&self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        match self.0.header.read_exact_at(&mut bytes, ID_OFFSET) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read.map(|()| u32::from_be_bytes(bytes)),
        }
    }

    /// Checks that the file is still at its path and still has one of these ids. An overwritten file is not used again, because
    /// the pages in memory and in the log belong to another file.
    pub fn check(&self, ids: &[u32]) -> Result<(), StoreError> {
        if self.is_overwritten() {
            return Err(StoreError::Moved(OVERWRITTEN));
        }
        match identity(&self.0.path) {
            Ok(now) if now == self.0.identity => {}
            Ok(_) => {
                return Err(StoreError::Moved(
                    "another file is in the place of the database: put the first one back; to restore a backup, stop the server, move that file away and run `latchkey restore` with it",
                ));
            }
            Err(_) => return Err(StoreError::Moved("the file of the database is gone: put it back")),
        }
        if ids.contains(&self.id().map_err(sqlx::Error::Io)?) {
            return Ok(());
        }
        if !self.0.overwritten.swap(true, Ordering::Relaxed) {
            tracing::error!(file = %self.0.path.display(), "{OVERWRITTEN}");
        }
        Err(StoreError::Moved(OVERWRITTEN))
    }

    /// Returns whether another file was written over this one. Closing the database would then write the log of the old file into
    /// the new one.
    pub fn is_overwritten(&self) -> bool {
        self.0.overwritten.load(Ordering::Relaxed)
    }
}

/// What is wrong with an overwritten file, and what to do.
const OVERWRITTEN: &str = "another file was written over the database: nothing is read from it or written to it any more; stop the server, move that file away and run `latchkey restore` with it";

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = path.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}
