//! `latchkey backup`

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use super::output;
use latchkey_axum::serve::Failure;
use latchkey_axum::state::AppState;

/// Why PostgreSQL is not copied here.
pub const BY_PG_DUMP: &str = "PostgreSQL is copied by its own tool, also while servers run: pg_dump --format=custom --file=latchkey.dump followed by the URL of the database; pg_restore brings it back";

/// Copies the database as it stands at one moment, also while the server runs. The copy is for its owner alone, and nothing
/// that is there already is written over.
pub async fn run(state: &AppState, file: &str) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(|error| format!("{file}: {error}; name a file that is not there yet, in a directory that is"))?;
    let copied = async {
        state.store.copy_to(file).await?;
        // Only now it is worth something. No other connection of this process has the copy open.
        fs::File::open(file)?.sync_all()?;
        Ok::<u64, Failure>(fs::metadata(file)?.len())
    };
    match copied.await {
        Ok(bytes) => {
            let kib = bytes / 1024;
            output::done(format_args!(
                "Copied the database to {file}, {kib} KiB. The secret is not in it: keep that beside it."
            ))
        }
        Err(error) => {
            let _ = fs::remove_file(file);
            Err(format!("{file}: {error}").into())
        }
    }
}
