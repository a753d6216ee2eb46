//! `latchkey restore`

use std::path::Path;

use super::output;
use latchkey_axum::config::{Config, NewFiles, Settings};
use latchkey_axum::serve::Failure;
use latchkey_core::clock::Clock;
use latchkey_core::secret;
use latchkey_store::{DatabaseUrl, Restored, Store};

/// Why PostgreSQL is not restored here.
const BY_PG_RESTORE: &str = "PostgreSQL is restored by its own tool: stop the servers, run pg_restore, then `latchkey user end-sessions --all`, so that no session comes back that ended after the dump was made";

/// Puts a backup in the place of the database and says what that means.
pub async fn run(settings: &Settings, file: &Path) -> Result<(), Failure> {
    let config = Config::read(settings, NewFiles::Leave)?;
    let DatabaseUrl::Sqlite(database) = &config.database else {
        return Err(BY_PG_RESTORE.into());
    };
    // Before the data directory and the secret are made.
    if !file.is_file() {
        return Err(format!("{}: there is no such file", file.display()).into());
    }
    Config::read(settings, NewFiles::Make)?;
    let Restored {
        accounts,
        pending_migrations,
        kept,
    } = Store::restore(database, file, &secret::generate(), Clock::system().now())
        .await
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let mut lines = vec![
        format!(
            "Restored {} to {}: {accounts} {}, and the file is intact.",
            file.display(),
            database.display(),
            if accounts == 1 { "account" } else { "accounts" }
        ),
        "No token, cookie or link from before is accepted any more: everyone signs in again.".to_owned(),
    ];
    if let Some(kept) = kept {
        lines.push(format!(
            "The database that was there is now {}: remove it when it is not needed any more.",
            kept.display()
        ));
    }
    lines.push(format!(
        "Start the server now{}.",
        if pending_migrations > 0 {
            ": the backup is of an older version, and the start updates it"
        } else {
            ""
        }
    ));
    output::done(format_args!("{}", lines.join("\n")))
}
