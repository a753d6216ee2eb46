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

/// Where a database's password goes.
const ELSEWHERE: &str =
    "leave it out and give it in PGPASSWORD, or in the file that PGPASSFILE names where the two databases have different ones";

/// From where to where.
#[derive(Args)]
#[command(next_help_heading = "What to move")]
pub struct Ends {
    /// The database to move: sqlite:<path> or postgres://user@host:port/database; it is not changed
    #[arg(long, value_name = "URL")]
    from: String,
    /// An empty database, or the path of a new file. Passwords of PostgreSQL stand in `PGPASSWORD`, or in the file that `PGPASSFILE` names (~/.pgpass)
    #[arg(long, value_name = "URL")]
    to: String,
}

/// Moves everything, says how far it is, and what is to be done next.
pub async fn run(ends: &Ends, data_dir: Option<&Path>) -> Result<(), Failure> {
    let from = parse("--from", &ends.from)?;
    let to = parse("--to", &ends.to)?;
    output::note(format_args!("Moving {from} to {to}."));
    output::note(format_args!(
        "Stop the servers that use {from}: they can change nothing until the move is over, and what they change after it does not come along."
    ));
    let mut bars = Bars::new();
    let moved = transfer::run(&from, &to, |progress| bars.show(&progress)).await;
    bars.finish();
    let Moved { already, rows } = moved?;
    let beginning = if already {
        "It was moved before and is all there:"
    } else {
        "Moved, and the same on both sides:"
    };
    let tables: String = rows.iter().map(|(table, rows)| format!("{rows:>12}  {}\n", what(table))).collect();
    output::done(format_args!("{beginning}\n{tables}{}", next(&from, &to, data_dir)))
}

/// The URL is not repeated: it may hold a password.
fn parse(flag: &'static str, text: &str) -> Result<DatabaseUrl, Failure> {
    if holds_password(text) {
        return Err(EnvironmentError::PasswordInFlag(flag, ELSEWHERE).into());
    }
    DatabaseUrl::parse(text).map_err(|reason| format!("{flag}: {reason}.").into())
}

fn what(table: &str) -> &str {
    match table {
        "users" => "accounts",
        "sessions" => "sessions, ended ones included",
        "revocations" => "ended sessions and stale tokens to remember",
        "throttles" => "budgets of guesses",
        "meta" => "facts about the installation",
        other => other,
    }
}

fn next(from: &DatabaseUrl, to: &DatabaseUrl, data_dir: Option<&Path>) -> String {
    let secret = match generated_secret(from, data_dir) {
        Some(file) => format!(
            "LATCHKEY_SECRET_FILE to {}, where the secret is that was made for it (or to a copy, on another machine)",
            file.display()
        ),
        None => "LATCHKEY_SECRET, or LATCHKEY_SECRET_FILE, to what it was".to_owned(),
    };
    format!(
        "Next: set LATCHKEY_DATABASE_URL to {to}{}, and {secret}. Then start the servers: nobody is signed out.\n\
         {from} is as it was. Start no server on it any more, and remove it when you need it no longer.",
        if matches!(to, DatabaseUrl::Postgres(_)) {
            " with its user and password"
        } else {
            ""
        }
    )
}

/// The secret that a server made for itself, where its data is.
fn generated_secret(from: &DatabaseUrl, data_dir: Option<&Path>) -> Option<PathBuf> {
    let DatabaseUrl::Sqlite(file) = from else { return None };
    let dirs = [data_dir, file.parent()];
    let secret = dirs
        .into_iter()
        .flatten()
        .map(|dir| dir.join("secret"))
        .find(|secret| secret.is_file())?;
    // The servers may be started elsewhere.
    Some(path::absolute(&secret).unwrap_or(secret))
}
