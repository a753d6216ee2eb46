//! The command line.

mod backup;
mod check;

mod output;
mod restore;
mod transfer;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use axum::Router;
use latchkey_axum::config::{Config, Environment, NewFiles, Settings};
use latchkey_axum::serve::Failure;
use latchkey_axum::state::AppState;
use latchkey_axum::{log, serve};
use latchkey_core::secret;
use latchkey_store::{DatabaseUrl, OpenMode};

/// A sign-in app you own: pages, accounts and tokens in one program and one data file.
#[derive(Parser)]
#[command(name = "latchkey", version, after_help = after_help())]
struct Cli {
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
    /// Check the configuration, the secret and the database; creates and changes no file
    Check,
    /// Copy the database to a file, also while the server runs
    Backup {
        /// The file to create; an existing file is not overwritten
        file: String,
    },
    /// Replace the SQLite database with a backup; stop the server first
    ///
    /// The backup is checked first, and the previous database is kept beside it. Older tokens, cookies and links are no longer
    /// accepted: everyone has to sign in again. PostgreSQL is restored by `pg_restore`, followed by
    /// `latchkey user end-sessions --all`.
    Restore {
        /// A file that `latchkey backup` made
        file: PathBuf,
    },
    /// Move all accounts, sessions and events to another database, such as from SQLite to PostgreSQL
    ///
    /// Everything is moved or nothing, so an interrupted move can be repeated, and a finished one is recognised. The source
    /// database is not changed. With the same secret, all users stay signed in.
    Move(transfer::Ends),
    /// Manage accounts, also while the server runs
    #[command(subcommand)]
    User(user::Command),
}

fn after_help() -> String {
    format!(
        "Settings are read from flags, then environment variables, then a file .env in the current directory. Durations are written 90s, 15m, 12h or 30d.\n\nSecrets have no flag, because other users of the machine can see flags. Set the environment variable:\n\n{}",
        Settings::help_without_flags()
    )
}

/// Builds what `serve` serves.
pub type BuildApp = fn(AppState) -> Router;

/// Reads the command line and runs the command.
pub fn main(app: BuildApp) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(instead) => return explain(&instead),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            log::say(&format!("error: the program cannot start its threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(run(cli, app));
    if let Err(error) = &done {
        log::say(&format!("error: {error}"));
    }
    log::finish();
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints what a command line asks for instead of a command, such as help, or what is wrong with it.
fn explain(instead: &clap::Error) -> ExitCode {
    let printed = output::result(instead.print());
    if let (false, Err(error)) = (instead.use_stderr(), printed) {
        log::say(&format!("error: {error}"));
        return ExitCode::FAILURE;
    }
    ExitCode::from(u8::try_from(instead.exit_code()).unwrap_or(1))
}

/// Runs one command.
///
/// # Errors
/// The one sentence to end with.
async fn run(cli: Cli, app: BuildApp) -> Result<(), Failure> {
    let settings = cli.settings.with_environment(Environment::read()?)?;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Secret => output::line(format_args!("{}", secret::generate().as_str())),
        Command::Serve => {
            log::start(&settings)?;
            serve::run(Config::from_settings(&settings)?, app).await
        }
        Command::Check => check::run(&settings).await,
        Command::Backup { file } => {
            let config = Config::read(&settings, NewFiles::Leave)?;
            if let DatabaseUrl::Postgres(_) = &config.database {
                return Err(backup::BY_PG_DUMP.into());
            }
            let state = serve::open(config, OpenMode::Existing).await?;
            let done = backup::run(&state, &file).await;
            state.store.close().await;
            done
        }
        Command::Restore { file } => restore::run(&settings, &file).await,
        // Not by the settings: it needs no secret, and servers use one of the two at most.
        Command::Move(ends) => transfer::run(&ends, settings.data_dir.as_deref()).await,
        Command::User(command) => {
            let state = open_for(&command, &settings).await?;
            let done = user::run(command, &state).await;
            state.store.close().await;
            done
        }
    }
}

/// Only a command that adds accounts creates a database.
async fn open_for(command: &user::Command, settings: &Settings) -> Result<AppState, Failure> {
    let (new_files, mode) = if command.adds_accounts() {
        (NewFiles::Make, OpenMode::CreateIfMissing)
    } else {
        (NewFiles::Leave, OpenMode::Existing)
    };
    serve::open(Config::read(settings, new_files)?, mode).await
}
