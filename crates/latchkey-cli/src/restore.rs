//! `latchkey restore`

use std::path::Path;

use super::output;
use latchkey_axum::config::{Config, NewFiles, Settings};
use latchkey_axum::serve::Failure;
use latchkey_core::clock::Clock;
use latchkey_core::secret;
use latchkey_store::{DatabaseUrl, Restored, Store};

/// Tells how to restore PostgreSQL, which this command does not do.
const BY_PG_RESTORE: &str = "restore PostgreSQL with its own tool: stop the servers, run pg_restore, then run `latchkey user end-sessions --all`, because sessions that ended after the dump was made would be valid again";

/// Replaces the database with a backup, and prints what that changes and what to do next.
pub async fn run(settings: &Settings, file: &Path) -> Result<(), Failure> {
    let config = Config::read(settings, NewFiles::Leave)?;
    let DatabaseUrl::Sqlite(database) = &config.database else {
        return Err(BY_PG_RESTORE.into());
    };
    // Check this before the data directory and the secret are created.
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
        "Tokens, cookies and links from before the restore are no longer accepted: everyone has to sign in again.".to_owned(),
    ];
    if let Some(kept) = kept {
        lines.push(format!(
            "The previous database was kept as {}: remove it when you no longer need it.",
            kept.display()
        ));
    }
    lines.push(format!(
        "Start the server now{}.",
        if pending_migrations > 0 {
            ": the backup is from an older version, and the start updates it"
        } else {
            ""
        }
    ));
    output::done(format_args!("{}", lines.join("\n")))
}
