//! `latchkey move`

mod progress;

use std::path::{self, Path, PathBuf};

use clap::Args;

use self::progress::Bars;
use super::output;
use latchkey_axum::config::EnvironmentError;
use latchkey_axum::serve::Failure;
use latchkey_store::database_url::holds_password;
use latchkey_store::transfer::Moved;
use latchkey_store::{DatabaseUrl, transfer};

/// Tells where to put the password of a database.
const ELSEWHERE: &str =
    "leave it out and set PGPASSWORD, or put it into the file that PGPASSFILE names if the two databases have different passwords";

/// The source and the target of a move.
#[derive(Args)]
#[command(next_help_heading = "What to move")]
pub struct Ends {
    /// The database to move: sqlite:<path> or postgres://user@host:port/database. It is not changed
    #[arg(long, value_name = "URL")]
    from: String,
    /// An empty database, or sqlite:<path> of a new file. PostgreSQL passwords are read from `PGPASSWORD`, or from the file that `PGPASSFILE` names (~/.pgpass)
    #[arg(long, value_name = "URL")]
    to: String,
}

/// Moves everything, shows the progress, and prints what to do next.
pub async fn run(ends: &Ends, data_dir: Option<&Path>) -> Result<(), Failure> {
    let from = parse("--from", &ends.from)?;
    let to = parse("--to", &ends.to)?;
    output::note(format_args!("Moving {from} to {to}."));
    output::note(format_args!(
        "Stop the servers that use {from}: they cannot change anything during the move, and what they change after it is not moved."
    ));
    let mut bars = Bars::new();
    let moved = transfer::run(&from, &to, |progress| bars.show(&progress)).await;
    bars.finish();
    let Moved { already, rows } = moved?;
    let beginning = if already {
        "This move was already made. Both databases have the same rows:"
    } else {
        "Moved. Both databases have the same rows:"
    };
    let tables: String = rows.iter().map(|(table, rows)| format!("{rows:>12}  {}\n", what(table))).collect();
    output::done(format_args!("{beginning}\n{tables}{}", next(&from, &to, data_dir)))
}

/// Parses the URL of a flag. The error does not repeat the URL, which may contain a password.
fn parse(flag: &'static str, text: &str) -> Result<DatabaseUrl, Failure> {
    if holds_password(text) {
        return Err(EnvironmentError::PasswordInFlag(flag, ELSEWHERE).into());
    }
    DatabaseUrl::parse(text).map_err(|reason| format!("{flag}: {reason}.").into())
}

fn what(table: &str) -> &str {
    match table {
        "users" => "accounts",
        "sessions" => "sessions, including ended ones",
        "revocations" => "revocations of sessions and tokens",
        "throttles" => "counters of rate limits",
        "meta" => "facts about the installation",
        other => other,
    }
}

fn next(from: &DatabaseUrl, to: &DatabaseUrl, data_dir: Option<&Path>) -> String {
    let secret = match generated_secret(from, data_dir) {
        Some(file) => format!(
            "LATCHKEY_SECRET_FILE to {}, the secret that was generated for this database (on another machine: to a copy of that file)",
            file.display()
        ),
        None => "LATCHKEY_SECRET or LATCHKEY_SECRET_FILE to the same value as before".to_owned(),
    };
    format!(
        "Next: set LATCHKEY_DATABASE_URL to {to}{}, and {secret}. Then start the servers. All users stay signed in.\n\
         {from} was not changed. Do not start a server on it again, and remove it when you no longer need it.",
        if matches!(to, DatabaseUrl::Postgres(_)) {
            " with its user and password"
        } else {
            ""
        }
    )
}

/// Returns the path of the secret that a server generated in its data directory.
fn generated_secret(from: &DatabaseUrl, data_dir: Option<&Path>) -> Option<PathBuf> {
    let DatabaseUrl::Sqlite(file) = from else { return None };
    let dirs = [data_dir, file.parent()];
    let secret = dirs
        .into_iter()
        .flatten()
        .map(|dir| dir.join("secret"))
        .find(|secret| secret.is_file())?;
    // Absolute, because the servers may be started in another directory.
    Some(path::absolute(&secret).unwrap_or(secret))
}
