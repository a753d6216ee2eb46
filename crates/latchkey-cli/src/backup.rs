//! `latchkey backup`

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use super::output;
use latchkey_axum::serve::Failure;
use latchkey_axum::state::AppState;

/// Tells how to back up PostgreSQL, which this command does not do.
pub const BY_PG_DUMP: &str = "back up PostgreSQL with its own tool, also while servers run: pg_dump --format=custom --file=latchkey.dump followed by the URL of the database; pg_restore restores it";

/// Copies the database as of one moment, also while the server runs. Only the owner can read the copy (mode 0600). An existing
/// file is not overwritten.
pub async fn run(state: &AppState, file: &str) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(|error| format!("{file}: {error}; choose a file that does not exist yet, in a directory that exists"))?;
    let copied = async {
        state.store.copy_to(file).await?;
        // The backup only counts once it is on the disk. No other connection of this process has the copy open.
        fs::File::open(file)?.sync_all()?;
        Ok::<u64, Failure>(fs::metadata(file)?.len())
    };
    match copied.await {
        Ok(bytes) => {
            let kib = bytes / 1024;
            output::done(format_args!(
                "Backed up the database to {file}, {kib} KiB. The secret is not in the backup: back it up too."
            ))
        }
        Err(error) => {
            let _ = fs::remove_file(file);
            Err(format!("{file}: {error}").into())
        }
    }
}
