//! Which file the database is, so that one that was moved, removed or overwritten is noticed.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::StoreError;

/// Where the header of a database file has the number that `PRAGMA user_version` sets: big-endian, 32 bits. Each start of the
/// server puts a random id there, and the lock file names it: a file without it was put there by somebody else.
const ID_OFFSET: u64 = 60;

/// Files by device and inode that this process has open beside SQLite.
type OpenFiles = Vec<((u64, u64), Weak<File>)>;

/// One handle for each database file, however often this process has it open: to close a second one drops SQLite's locks.
static OPEN: Mutex<OpenFiles> = Mutex::new(Vec::new());

/// The file that was opened. An open file can be moved, removed or overwritten: what is then written to it would be lost, or
/// would destroy the file that was put there.
#[derive(Clone)]
pub struct FileIdentity(Arc<Inner>);

struct Inner {
    path: PathBuf,
    identity: (u64, u64),
    header: Arc<File>,
    overwritten: AtomicBool,
}

impl FileIdentity {
    /// Opens the file beside SQLite, before SQLite does.
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

    /// The id in the header of the file itself, whatever its write-ahead log holds; 0 when it has none.
    pub fn id(&self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        match self.0.header.read_exact_at(&mut bytes, ID_OFFSET) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read.map(|()| u32::from_be_bytes(bytes)),
        }
    }

    /// Whether it is still where it was, and still bears one of these ids. A file that was overwritten is not used again: the
    /// pages in memory and in the log belong to another one.
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

    /// Whether another file was written over this one. Closing it would write the log of the one before into it.
    pub fn is_overwritten(&self) -> bool {
        self.0.overwritten.load(Ordering::Relaxed)
    }
}

/// What is wrong then, and what to do.
const OVERWRITTEN: &str = "another file was written over the database: nothing is read from it or written to it any more; stop the server, move that file away and run `latchkey restore` with it";

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = path.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}
