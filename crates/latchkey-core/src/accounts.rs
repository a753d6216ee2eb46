//! Accounts: signing up, signing in, and all other access to users. Knows no HTTP and no SQL.

use std::net::IpAddr;

use uuid::Uuid;
use zeroize::Zeroizing;

pub mod admin;
mod new_password;
mod refusal;
mod self_service;

pub use refusal::Refusal;

use self::new_password::{Chosen, new_password};
use super::passwords::{MANY_ACCOUNTS, hashed_password};
use super::sessions::Tokens;
use super::throttle::SIGN_UPS;
use crate::audit::AUDIT;
use crate::clock::Clock;
use crate::passwords::{Passwords, Verified};
use crate::sessions::Sessions;
use crate::throttle::{Attempt, Throttle};
use latchkey_store::{Account, Client, EndReason, InitialRole, NewSession, NewUser, SessionId, Store, StoreError};
use latchkey_types::{Email, Field, FieldError, Password, Problem, Role, UserId, Username};
use std::sync::Arc;

/// Sessions and events of a removed account that are deleted in one step.
const PURGE_BATCH: i64 = 500;
/// Steps that the removal of an account waits for; housekeeping deletes the rest.
const PURGED_AT_ONCE: usize = 4;

/// The input of a sign-up, as typed.
#[derive(Clone, Copy)]
pub struct SignUpInput<'a> {
    /// The sign-in name.
    pub username: &'a str,
    /// The password.
    pub password: &'a str,
    /// The email address, empty for none.
    pub email: &'a str,
}

/// The input of a sign-up after it passed the rules. The account does not exist yet.
struct Parsed {
    username: Username,
    password: Password,
    email: Option<Email>,
}

impl SignUpInput<'_> {
    /// Checks the input against the rules. Returns all errors together, so that the user can correct them at once. Whether the
    /// password is easy to guess is checked later, by [`Accounts::hash_new`].
    fn parse(self) -> Result<Parsed, Refusal> {
        let username = Username::parse_new(self.username);
        let email = Email::parse(self.email);
        let password = new_password(self.password, username.as_ref().ok());
        match (username, password, email) {
            (Ok(username), Ok(password), Ok(email)) => Ok(Parsed { username, password, email }),
            (username, password, email) => Err(Refusal::Fields(
                [
                    (Field::Username, username.err()),
                    (Field::Password, password.err()),
                    (Field::Email, email.err()),
                ]
                .into_iter()
                .filter_map(|(field, problem)| problem.map(|problem| FieldError { field, problem }))
                .collect(),
            )),
        }
    }
}

/// Creates accounts, signs in to them and changes them.
#[derive(Clone)]
pub struct Accounts {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Begins and ends sessions.
    pub sessions: Sessions,
    /// Charges attempts to limits.
    pub throttle: Throttle,
    /// Whether sign-up is open, so that people can create accounts themselves.
    pub signup_open: bool,
    /// The host of the public URL. A password built on it is refused, because it is easy to guess for this site.
    pub site_host: Arc<str>,
}

impl Accounts {
    /// Verifies a password whose attempt was charged, and returns the attempt. If the wait for a turn would be too long, the password
    /// is not verified and the attempt is refunded.
    async fn check_attempt(
        &self,
        attempt: Attempt,
        typed: &str,
        hash: Option<String>,
        client: &Client,
    ) -> Result<(Verified, Attempt), Refusal> {
        match self.passwords.verify(typed, hash, client.address).await {
            Ok(verified) => Ok((verified, attempt)),
            Err(busy) => {
                self.throttle.refund(attempt).await?;
                Err(busy.into())
            }
        }
    }

    /// Signs up and in: creates an account and its first session in one transaction. The session replaces the one that the browser
    /// had before, `replaced`.
    pub async fn sign_up(&self, typed: SignUpInput<'_>, client: &Client, replaced: Option<SessionId>) -> Result<Tokens, Refusal> {
        if !self.signup_open {
            return Err(Refusal::SignupClosed);
        }
        self.throttle
            .addresses
            .charge(SIGN_UPS, client.address, self.clock.now())
            .map_err(Refusal::Throttled)?;
        let session = self.sessions.pending(replaced);
        match self.make(typed, admin_if_first(Role::User), client, Some(&session)).await {
            Ok(account) => Ok(self.sessions.first_tokens(&session, &account)),
            Err(refusal) if refusal.is_taken() => self.repeat_sign_up(typed, client, replaced).await,
            Err(refusal) => Err(refusal),
        }
    }

    /// Answers a sign-up for a name that is taken. The response to the first sign-up may have been lost. So repeating the same sign-up
    /// soon afterwards signs in, within all limits of a sign-in. The name must be typed exactly as it is stored, because another
    /// spelling more likely comes from another person. In all other cases the answer is that the name is taken.
    async fn repeat_sign_up(&self, typed: SignUpInput<'_>, client: &Client, replaced: Option<SessionId>) -> Result<Tokens, Refusal> {
        let name = Username::parse(typed.username).ok();
        let existing = self.store.credentials(name.as_ref()).await?;
        let is_repeated = existing.is_some_and(|(account, _)| {
            account.username == typed.username.trim() && self.clock.now() - account.created_at <= SIGN_UP_REPEATS
        });
        if !is_repeated {
            return Err(taken());
        }
        match self.sign_in(typed.username, typed.password, client, replaced).await {
            Err(Refusal::BadCredentials) => Err(taken()),
            outcome => outcome,
        }
    }

    /// Creates an account for the operator, without a session.
    pub async fn add(&self, typed: SignUpInput<'_>, role: Role) -> Result<Account, Refusal> {
        self.make(typed, admin_if_first(role), &Client::operator(), None).await
    }

    async fn make(
        &self,
        typed: SignUpInput<'_>,
        role: InitialRole,
        client: &Client,
        session: Option<&NewSession>,
    ) -> Result<Account, Refusal> {
        let parsed = typed.parse()?;
        // This only saves the hash. Whether the name is free is decided by the insert.
        if self.store.credentials(&parsed.username).await?.is_some() {
            return Err(taken());
        }
        let chosen = Chosen {
            field: Field::Password,
            owner: Some(&parsed.username),
            email: parsed.email.as_ref().map(Email::as_str),
            from: client.address,
        };
        let hash = self.hash_new(&parsed.password, chosen).await?;
        self.insert(parsed.username, parsed.email, &hash, role, client, session).await
    }

    /// Inserts an account and, if there is one, its first session.
    async fn insert(
        &self,
        username: Username,
        email: Option<Email>,
        hash: &str,
        role: InitialRole,
        client: &Client,
        session: Option<&NewSession>,
    ) -> Result<Account, Refusal> {
        let mut account = Account {
            id: UserId(Uuid::now_v7().to_string()),
            username: username.to_string(),
            email: email.as_ref().map(|email| email.as_str().to_owned()),
            role: role.otherwise,
            epoch: 0,
            created_at: self.clock.now(),
            disabled_at: None,
            password_generation: 0,
        };
        let user = NewUser {
            id: &account.id,
            username: &username,
            email: email.as_ref(),
            password_hash: hashed_password(hash),
            role,
            client,
            created_at: account.created_at,
        };
        let (role, revocations) = self.store.insert_user(&user, session).await?.ok_or_else(taken)?;
        self.sessions.revocations.apply(&revocations);
        account.role = role;
        Ok(account)
    }

    /// Signs in. An unknown name, a wrong password and a disabled account get the same answer after the same work.
    pub async fn sign_in(&self, username: &str, password: &str, client: &Client, replaced: Option<SessionId>) -> Result<Tokens, Refusal> {
        let outcome = self.try_to_sign_in(username, password, client, replaced).await;
        self.sessions.metrics.count_sign_in(match &outcome {
            Ok(_) => "ok",
            Err(Refusal::BadCredentials | Refusal::Fields(_)) => "refused",
            Err(Refusal::Throttled(_)) => "throttled",
            Err(Refusal::Busy) => "busy",
            Err(_) => "unavailable",
        });
        outcome
    }

    async fn try_to_sign_in(
        &self,
        username: &str,
        password: &str,
        client: &Client,
        replaced: Option<SessionId>,
    ) -> Result<Tokens, Refusal> {
        let empty: Vec<FieldError> = [(Field::Username, username), (Field::Password, password)]
            .into_iter()
            .filter(|(_, typed)| typed.is_empty())
            .map(|(field, _)| FieldError {
                field,
                problem: Problem::Missing,
            })
            .collect();
        if !empty.is_empty() {
            return Err(Refusal::Fields(empty));
        }
        let charged = self.throttle.charge_sign_in(username, client).map_err(Refusal::Throttled)?;
        let outcome = self.with_password(username, password, client, replaced).await;
        if outcome.is_err() {
            self.throttle.refund_sign_in(charged);
        }
        outcome
    }

    /// Signs in after the limits for successful sign-ins were charged.
    async fn with_password(&self, username: &str, password: &str, client: &Client, replaced: Option<SessionId>) -> Result<Tokens, Refusal> {
        let attempt = self.throttle.charge_attempt(username, client).await?;
        // Query the database even if this cannot be a name, so that it takes as long as for any other name.
        let known = self.store.credentials(Username::parse(username).ok().as_ref()).await?;
        let hash = known.as_ref().map(|(_, hash)| hash.clone());
        let (verified, attempt) = self.check_attempt(attempt, password, hash, client).await?;
        if let Some((account, hash)) = &known
            && verified.right
            && account.disabled_at.is_none()
            && let Some(tokens) = self.sessions.begin(account, hash, &attempt, client, replaced).await?
        {
            self.throttle.refund_address(attempt);
            if self.passwords.should_upgrade(hash, password) {
                tokio::spawn(self.clone().upgrade(
                    account.id.clone(),
                    hash.clone(),
                    Zeroizing::new(password.to_owned()),
                    client.address,
                ));
            }
            tracing::info!(target: AUDIT, user = %account.id, session = %tokens.access.claims.sid, "signed in");
            return Ok(tokens);
        }
        if let Some((account, _)) = &known {
            // This is written after the response.
            self.sessions.write_behind.failed(&account.id, client, self.clock.now());
        }
        // Never log the name, because people type their password there by mistake.
        let user = known.as_ref().map_or("none", |(account, _)| account.id.0.as_str());
        tracing::info!(user, "failed to sign in");
        // Pad the response time so that it reveals neither whether the account exists nor the kind of its hash.
        let kinds = self.store.hash_kinds(MANY_ACCOUNTS).await?;
        self.passwords.pad_refusal(verified, &kinds, client.address).await?;
        Err(Refusal::BadCredentials)
    }

    /// Replaces an outdated hash by one at the current cost, now that the password is known. Runs after the response, because it costs
    /// as much as another sign-in. If it fails, the next sign-in tries again.
    async fn upgrade(self, user: UserId, outdated: String, password: Zeroizing<String>, from: Option<IpAddr>) {
        let Ok(hash) = self.passwords.rehash(&password, from).await else {
            return;
        };
        match self.store.upgrade_hash(&user, &outdated, hashed_password(&hash)).await {
            Ok(()) => tracing::info!(%user, "upgraded the password hash"),
            Err(error) => tracing::warn!(%error, "cannot upgrade the password hash"),
        }
    }

    /// Removes an account and all its data. Returns whether the account existed. When this returns, its tokens are revoked and its name
    /// is free. Its sessions and events are deleted by then too, unless there are very many: housekeeping deletes the rest.
    pub(crate) async fn remove_account(&self, user: &UserId) -> Result<bool, StoreError> {
        let ending = self.sessions.ending(EndReason::Removed);
        let Some(revocations) = self.store.remove_user(user, &ending).await? else {
            return Ok(false);
        };
        self.sessions.revocations.apply(&revocations);
        for _ in 0..PURGED_AT_ONCE {
            match self.store.purge_removed_account(PURGE_BATCH).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "cannot delete the rest of a removed account now; housekeeping deletes it later");
                    break;
                }
            }
        }
        Ok(true)
    }
}

/// Seconds after an account was created during which signing up again with its name and password signs in.
const SIGN_UP_REPEATS: i64 = 10 * 60;

/// Makes the first account of an installation its administrator, and gives this role to all others.
const fn admin_if_first(role: Role) -> InitialRole {
    InitialRole {
        if_first: Role::Admin,
        otherwise: role,
    }
}

fn taken() -> Refusal {
    Refusal::field(Field::Username, Problem::NameTaken)
}
