//! `latchkey check`

use super::output;
use latchkey_axum::config::{Config, NewFiles, Settings};
use latchkey_axum::serve::Failure;
use latchkey_axum::serve::tls::Tls;
use latchkey_core::clock::Clock;
use latchkey_core::tokens::AccessTokens;
use latchkey_core::tokens::TokenGrant;
use latchkey_store::{SessionId, Store, StoreError};
use latchkey_types::{Role, User, UserId};

/// Prints what the server would use and whether it would start. Creates and changes no file.
pub async fn run(settings: &Settings) -> Result<(), Failure> {
    let config = Config::read(settings, NewFiles::Leave)?;
    for warning in &config.warnings {
        output::note(format_args!("warning: {warning}"));
    }
    output::line(format_args!(
        "configuration  good: listens on {}, public URL {}",
        config.addr, config.public_url
    ))?;

    if let Some(files) = config.tls.clone() {
        Tls::load(files)?;
        output::line(format_args!("certificate    good: the key belongs to it"))?;
    }

    let place = &config.database;
    let database = Store::inspect(place).await.map_err(|error| format!("{place}: {error}."))?;
    if config.secret_missing {
        output::line(format_args!(
            "secret         {}",
            match database {
                None => "none yet: the first start creates it",
                Some(_) => "missing: put it back, or the next start creates a new one and everyone has to sign in again",
            }
        ))?;
    } else {
        let salt = database.as_ref().map_or("", |found| &found.key_salt);
        check_secret(&config, salt)?;
    }
    match database.map(|found| found.pending_migrations) {
        None => output::line(format_args!("database       no database yet: the first start creates {place}")),
        Some(0) => output::line(format_args!("database       good: {place}")),
        Some(_) => Err(format!("{place}: {}", StoreError::OldSchema).into()),
    }
}

fn check_secret(config: &Config, salt: &str) -> Result<(), Failure> {
    let secrets = config.secrets.salted(salt);
    let tokens = AccessTokens::new(config.public_url.origin(), &secrets, config.jwt_alg, config.access_ttl);
    let probe = User {
        id: UserId("probe".into()),
        username: "probe".into(),
        roles: vec![Role::User],
    };
    let now = Clock::system().now();
    let issue = TokenGrant {
        session: SessionId::new(),
        counter: 0,
        now,
        expires_at: now + config.access_ttl,
    };
    let token = tokens.issue(&probe, 0, &issue).jwt;
    tokens
        .verify(&token, now)
        .map_err(|_| "LATCHKEY_SECRET: a token signed with it does not verify.")?;
    output::line(format_args!(
        "secret         good: signs and verifies, key id {}",
        tokens.header().kid.as_deref().unwrap_or_default()
    ))
}
