//! `latchkey user …`: manages accounts from the command line, by the same rules as the pages.

mod import;
mod list;
mod show;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::output;
use latchkey_axum::errors::HttpRefusal;
use latchkey_axum::serve::Failure;
use latchkey_axum::state::AppState;
use latchkey_core::accounts::{Refusal, SignUpInput};
use latchkey_store::UnixSeconds;
use latchkey_types::{Problem, Role, Username};

#[derive(Subcommand)]
pub enum Command {
    /// Add an account; the first one in an empty database becomes administrator
    Add {
        /// 3 to 32 of a-z 0-9 . _ - with a letter or a digit first
        name: String,
        /// An email address, private to the account
        #[arg(long)]
        email: Option<String>,
        /// Make it an administrator
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Import accounts from a CSV file of names, emails and argon2 or bcrypt hashes; none becomes administrator
    Import {
        /// The file; its first line is `username,email,password_hash`
        file: PathBuf,
    },
    /// List the accounts in order of their names
    List {
        /// List only names after this one; it need not be the name of an account
        #[arg(long, value_name = "NAME")]
        after: Option<String>,
        /// How many to list
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
    /// Show one account
    Show {
        /// Its sign-in name; put -- before a name that begins with a dash
        name: String,
    },
    /// Set the password of an account
    SetPassword {
        /// Its sign-in name; put -- before a name that begins with a dash
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Set the role of an account
    SetRole {
        /// Its sign-in name; put -- before a name that begins with a dash
        name: String,
        /// admin or user
        #[arg(value_parser = ["admin", "user"])]
        role: String,
    },
    /// Disable an account: end its sessions and refuse new sign-ins
    Disable {
        /// Its sign-in name; put -- before a name that begins with a dash
        name: String,
    },
    /// Enable a disabled account, so that its user can sign in again
    Enable {
        /// Its sign-in name; put -- before a name that begins with a dash
        name: String,
    },
    /// End every session of an account, or of all accounts
    EndSessions {
        /// Its sign-in name; put -- before a name that begins with a dash
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// End the sessions of every account, as after `pg_restore`
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Remove an account and its sessions; asks first on a terminal
    Remove {
        /// Its sign-in name; put -- before a name that begins with a dash
        name: String,
    },
}

impl Command {
    /// Returns whether the command may be the first one of a new installation, which creates the database.
    pub fn adds_accounts(&self) -> bool {
        matches!(self, Self::Add { .. } | Self::Import { .. })
    }
}

#[derive(clap::Args)]
pub struct PasswordSource {
    /// Read the password from the first line of standard input instead of asking
    #[arg(long)]
    password_stdin: bool,
}

pub async fn run(command: Command, state: &AppState) -> Result<(), Failure> {
    match command {
        Command::Add {
            name,
            email,
            admin,
            password,
        } => add(state, &name, email.as_deref(), admin, &password).await,
        Command::Import { file } => import::run(state, &file).await,
        Command::List { after, limit } => list::run(state, after.as_deref().unwrap_or_default(), limit).await,
        Command::Show { name } => show::run(state, &parse(&name)?).await,
        Command::SetPassword { name, password } => set_password(state, &parse(&name)?, &password).await,
        Command::SetRole { name, role } => set_role(state, &parse(&name)?, &role).await,
        Command::Disable { name } => disable(state, &parse(&name)?).await,
        Command::Enable { name } => enable(state, &parse(&name)?).await,
        Command::EndSessions { name: Some(name), .. } => end_sessions(state, &parse(&name)?).await,
        Command::EndSessions { name: None, .. } => end_all_sessions(state).await,
        Command::Remove { name } => remove(state, &parse(&name)?).await,
    }
}

async fn add(state: &AppState, name: &str, email: Option<&str>, admin: bool, password: &PasswordSource) -> Result<(), Failure> {
    let password = password.read()?;
    let role = if admin { Role::Admin } else { Role::User };
    let typed = SignUpInput {
        username: name,
        password: &password,
        email: email.unwrap_or_default(),
    };
    let account = state.accounts.add(typed, role).await.map_err(sentence)?;
    output::done(format_args!("Added {} ({}).", account.username, account.role))
}

async fn set_password(state: &AppState, name: &Username, password: &PasswordSource) -> Result<(), Failure> {
    let password = password.read()?;
    if !state.accounts.set_password(name, &password).await.map_err(sentence)? {
        return Err(unknown(name));
    }
    output::done(format_args!("Set the password of {name} and ended every session."))
}

async fn set_role(state: &AppState, name: &Username, role: &str) -> Result<(), Failure> {
    let role = Role::parse(role).ok_or("The role is admin or user.")?;
    if !state.accounts.set_role(name, role).await? {
        return Err(unknown(name));
    }
    output::done(format_args!("{name} is now {role}."))
}

async fn disable(state: &AppState, name: &Username) -> Result<(), Failure> {
    if !state.accounts.disable(name).await? {
        return Err(unknown(name));
    }
    output::done(format_args!("Disabled {name} and ended every session."))
}

async fn enable(state: &AppState, name: &Username) -> Result<(), Failure> {
    if !state.accounts.enable(name).await? {
        return Err(unknown(name));
    }
    output::done(format_args!("Enabled {name}."))
}

async fn end_sessions(state: &AppState, name: &Username) -> Result<(), Failure> {
    let ended = state.accounts.end_sessions(name).await?.ok_or_else(|| unknown(name))?;
    output::done(format_args!(
        "Ended {ended} {} of {name}.",
        if ended == 1 { "session" } else { "sessions" }
    ))
}

async fn end_all_sessions(state: &AppState) -> Result<(), Failure> {
    let accounts = state.accounts.end_all_sessions().await?;
    output::done(format_args!(
        "Ended every session of {accounts} {}.",
        if accounts == 1 { "account" } else { "accounts" }
    ))
}

async fn remove(state: &AppState, name: &Username) -> Result<(), Failure> {
    state.accounts.find(name).await?.ok_or_else(|| unknown(name))?;
    if io::stdin().is_terminal() {
        write!(
            io::stderr(),
            "This removes {name} and every session for good. Type the name to continue: "
        )?;
        io::stderr().flush()?;
        let mut typed = String::new();
        io::stdin().lock().read_line(&mut typed)?;
        if typed.trim() != name.as_str() {
            return Err("Nothing was removed.".into());
        }
    }
    if !state.accounts.remove(name).await? {
        return Err(unknown(name));
    }
    output::done(format_args!("Removed {name}."))
}

impl PasswordSource {
    fn read(&self) -> Result<Zeroizing<String>, Failure> {
        if self.password_stdin {
            let mut line = Zeroizing::new(String::new());
            io::stdin().lock().read_line(&mut line)?;
            let typed = line.strip_suffix('\n').unwrap_or(&line);
            return Ok(Zeroizing::new(typed.strip_suffix('\r').unwrap_or(typed).to_owned()));
        }
        if !io::stdin().is_terminal() {
            return Err("There is no terminal to ask for the password: pass it on standard input with --password-stdin.".into());
        }
        let first = Zeroizing::new(rpassword::prompt_password("Password: ")?);
        let again = Zeroizing::new(rpassword::prompt_password("Again: ")?);
        if first == again {
            Ok(first)
        } else {
            Err("The two passwords differ; nothing was changed.".into())
        }
    }
}

fn parse(name: &str) -> Result<Username, Failure> {
    match Username::parse(name) {
        Ok(name) => Ok(name),
        Err(Problem::NameReserved) => Err(format!("There is no account {name}: the name is reserved.").into()),
        Err(problem) => Err(format!("{name} cannot be a sign-in name. {problem}").into()),
    }
}

fn unknown(name: &Username) -> Failure {
    format!("There is no account {name}; `latchkey user list` shows all accounts.").into()
}

fn sentence(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Fields(errors) => errors
            .iter()
            .map(|error| format!("{}: {}", error.field.name(), error.problem))
            .collect::<Vec<_>>()
            .join("\n")
            .into(),
        Refusal::Store(error) => error.into(),
        other => other.sentence().into(),
    }
}

fn date(seconds: UnixSeconds) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.strftime("%F").to_string())
}
