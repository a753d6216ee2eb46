//! The files that belong to a database: their names and modes.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Returns the path of a file beside the database file: its path with a suffix.
pub fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Returns whether the database file exists. Unlike [`Path::exists`] it reports an error for a directory that cannot be read. If
/// that counted as an absent file, a new database would be created in place of the accounts.
pub fn exists(database: &Path) -> io::Result<bool> {
    match database.metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns whether there is a write-ahead log that is not empty. SQLite replays it into whatever database file it finds beside
/// it.
pub fn has_log(database: &Path) -> bool {
    beside(database, "-wal").metadata().is_ok_and(|log| log.len() > 0)
}

/// Creates an empty file that only its owner may read, whatever the umask is. Fails when the file exists.
pub fn create_private(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

/// Removes the access of other users to a database file and the files beside it. SQLite creates the log and its index with the
/// mode of the database file.
pub fn restrict_all(database: &Path) {
    restrict(database);
    for suffix in ["-wal", "-shm"] {
        restrict(&beside(database, suffix));
    }
}

/// Removes the access of other users to an existing file. A file that belongs to another user keeps its mode.
pub fn restrict(path: &Path) {
    let Ok(metadata) = path.metadata() else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file()
        && mode & 0o077 != 0
        && let Err(error) = fs::set_permissions(path, Permissions::from_mode(mode & 0o600))
    {
        tracing::warn!(path = %path.display(), %error, "other users may open this file and its mode cannot be changed");
    }
}
