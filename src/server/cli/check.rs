//! `latchkey check`

use crate::domain::{Role, User, UserId};
use crate::server::clock::Clock;
use crate::server::config::{Config, DatabaseUrl, Settings};
use crate::server::serve::Failure;
use crate::server::serve::tls::Tls;
use crate::server::sessions::{Issue, SessionId};
use crate::server::store::Store;
use crate::server::tokens::AccessTokens;

/// Says what the server would use and whether it would start. Changes nothing in the database.
pub async fn run(settings: &Settings) -> Result<(), Failure> {
    let config = Config::from_settings(settings)?;
    println!("configuration  good: listens on {}, people use {}", config.addr, config.public_url);

    if let Some(files) = config.tls.clone() {
        Tls::load(files)?;
        println!("certificate    good: the key is its own");
    }

    let tokens = AccessTokens::new(config.public_url.origin(), &config.secrets, config.jwt_alg, config.access_ttl);
    let nobody = User {
        id: UserId("nobody".into()),
        username: "nobody".into(),
        roles: vec![Role::User],
    };
    let now = Clock::system().now();
    let issue = Issue {
        session: SessionId::new(),
        counter: 0,
        now,
        expires_at: now + config.access_ttl,
    };
    let token = tokens.issue(&nobody, 0, &issue).jwt;
    tokens
        .verify(&token, now)
        .map_err(|_| "LATCHKEY_SECRET: a token signed with it does not verify.")?;
    println!(
        "secret         good: signs and verifies, key id {}",
        tokens.header().kid.as_deref().unwrap_or_default()
    );

    let place = &config.database;
    match Store::pending_migrations(place)
        .await
        .map_err(|error| format!("{place}: {error}."))?
    {
        None => match place {
            DatabaseUrl::Sqlite(_) => println!("database       {place} is not there yet; the first start makes it"),
            DatabaseUrl::Postgres(_) => println!("database       {place} is empty; the first start makes its tables"),
        },
        Some(0) => println!("database       good: {place}"),
        Some(pending) => println!("database       good: {place}; the next start brings its tables up to date ({pending} steps)"),
    }
    Ok(())
}
