//! The command line.

mod backup;
mod check;
mod move_data;
mod user;

use clap::{Parser, Subcommand};

use super::config::{Config, DatabaseUrl, Settings};
use super::serve::{self, Failure};
use super::{log, secret};

/// A sign-in app you own: pages, accounts and tokens in one program and one data file.
#[derive(Parser)]
#[command(
    name = "latchkey",
    version,
    about,
    after_help = "Settings are read from flags, then environment variables, then a file .env in the current directory. Durations are written 90s, 15m, 12h or 30d."
)]
pub struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the pages and the API; also what happens without a command
    Serve,
    /// Print a new secret: 32 random bytes, base64url
    Secret,
    /// Check the configuration, the secret and the database
    Check,
    /// Copy the database to a file, also while the server runs
    Backup {
        /// The file to make; one that is there already is left alone
        file: String,
    },
    /// Move all accounts, sessions and events to another database, such as from SQLite to PostgreSQL
    ///
    /// It is all there at the end or nothing is, so a move that was interrupted can be repeated, and one that was made
    /// is recognised. The database that is moved is not changed. With the same secret nobody is signed out.
    Move(move_data::Ends),
    /// Manage accounts, also while the server runs
    #[command(subcommand)]
    User(user::Command),
}

/// Runs one command.
///
/// # Errors
/// The one sentence to end with.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command.unwrap_or(Command::Serve) {
        Command::Secret => {
            println!("{}", secret::generate().as_str());
            Ok(())
        }
        Command::Serve => {
            log::start(&cli.settings)?;
            serve::run(Config::from_settings(&cli.settings)?).await
        }
        Command::Check => check::run(&cli.settings).await,
        Command::Backup { file } => {
            let config = Config::from_settings(&cli.settings)?;
            match &config.database {
                DatabaseUrl::Sqlite(path) if !path.exists() => return Err(format!("{}: there is no database yet", path.display()).into()),
                DatabaseUrl::Sqlite(_) => {}
                DatabaseUrl::Postgres(_) => return Err(backup::BY_PG_DUMP.into()),
            }
            let state = serve::open(config).await?;
            let done = backup::run(&state, &file).await;
            state.store.close().await;
            done
        }
        // Not by the settings: it needs no secret, and servers use one of the two at most.
        Command::Move(ends) => move_data::run(&ends, cli.settings.data_dir.as_deref()).await,
        Command::User(command) => {
            let state = serve::open(Config::from_settings(&cli.settings)?).await?;
            let done = user::run(command, &state).await;
            state.store.close().await;
            done
        }
    }
}
