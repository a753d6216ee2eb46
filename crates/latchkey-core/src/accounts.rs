//! Accounts: the only door to users. Knows no HTTP and no SQL.

use std::net::IpAddr;

use uuid::Uuid;
use zeroize::Zeroizing;

pub mod change;
mod new_password;
pub mod operate;

use self::new_password::{Chosen, hash_new, new_password};
use super::log;
use super::passwords::{Busy, MANY_ACCOUNTS, hashed_password};
use super::sessions::{PendingSession, Tokens};
use super::state::AppState;
use super::throttle::{SIGN_UPS, SignIn};
use super::{sessions, throttle};
use latchkey_store::{Account, Client, EndReason, InitialRole, NewUser, RetryAfter, SessionId, StoreError};
use latchkey_types::{Email, Field, FieldError, Password, Problem, Role, UserId, Username};

/// Sessions and events of a removed account that are deleted in one step, and steps that its removal waits for.
const PURGE_BATCH: i64 = 500;
const PURGED_AT_ONCE: usize = 4;

/// Why something was not done. Nothing was changed.
#[derive(Debug)]
pub enum Refusal {
    /// What was typed is outside the rules.
    Fields(Vec<FieldError>),
    /// Unknown name, wrong password, disabled account: nobody is told which.
    BadCredentials,
    /// None of the user's own sessions has this id, or it is over.
    NoSuchSession,
    /// Only somebody signed in can do this.
    NotSignedIn,
    /// Nobody can sign up here.
    SignupClosed,
    /// Too many guesses; try again after this many seconds.
    Throttled(RetryAfter),
    /// Too many passwords are being hashed.
    Busy,
    /// Who is asking cannot be told while the database is away.
    Unavailable,
    /// The database said no.
    Store(StoreError),
}

impl Refusal {
    /// One thing is wrong with one field.
    pub fn field(field: Field, problem: Problem) -> Self {
        Self::Fields(vec![FieldError { field, problem }])
    }

    /// Whether the name is taken, and nothing else is wrong.
    fn is_taken(&self) -> bool {
        let taken = |error: &FieldError| error.problem == Problem::NameTaken;
        matches!(self, Self::Fields(errors) if errors.iter().all(taken))
    }
}

impl From<Busy> for Refusal {
    fn from(_: Busy) -> Self {
        Refusal::Busy
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error)
    }
}

/// What somebody typed to make an account.
#[derive(Clone, Copy)]
pub struct SignUpInput<'a> {
    /// The name.
    pub username: &'a str,
    /// The password.
    pub password: &'a str,
    /// The address, empty for none.
    pub email: &'a str,
}

/// An account within the rules, but not made yet.
struct Parsed {
    username: Username,
    password: Password,
    email: Option<Email>,
}

impl SignUpInput<'_> {
    /// Everything that is wrong, at once, so that nobody has to find out one by one. Whether few guesses find the password is
    /// found out later: see [`hash_new`].
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

/// Signs up and in: makes an account and its first session, both or neither. In a browser that session takes the place of
/// the one that was there.
///
/// # Errors
/// When sign-up is closed, something is outside the rules, or the name is taken.
pub async fn sign_up(state: &AppState, typed: SignUpInput<'_>, client: &Client, replaced: Option<SessionId>) -> Result<Tokens, Refusal> {
    if !state.config.signup_open {
        return Err(Refusal::SignupClosed);
    }
    state
        .addresses
        .take(SIGN_UPS, client.address, state.clock.now())
        .map_err(Refusal::Throttled)?;
    let draft = PendingSession::new(state, replaced);
    match make(state, typed, admin_if_first(Role::User), client, Some(&draft)).await {
        Ok(account) => Ok(draft.issue(state, &account)),
        Err(refusal) if refusal.is_taken() => repeat_sign_up(state, typed, client, replaced).await,
        Err(refusal) => Err(refusal),
    }
}

/// For this many seconds after an account was made, signing up again with its name and password signs in.
const SIGN_UP_REPEATS: i64 = 10 * 60;

/// Answers a sign-up for a name that is taken. The first answer may have been lost on its way: repeating that sign-up soon
/// signs in, within all limits of a sign-in. The name must be typed as it is stored; in another spelling it is rather
/// somebody else who wants it. Everybody else is told that the name is taken, as ever.
async fn repeat_sign_up(state: &AppState, typed: SignUpInput<'_>, client: &Client, replaced: Option<SessionId>) -> Result<Tokens, Refusal> {
    let name = Username::parse(typed.username).ok();
    let existing = state.store.credentials(name.as_ref()).await?;
    let is_repeated = existing
        .is_some_and(|(account, _)| account.username == typed.username.trim() && state.clock.now() - account.created_at <= SIGN_UP_REPEATS);
    if !is_repeated {
        return Err(taken());
    }
    match sign_in(state, typed.username, typed.password, client, replaced).await {
        Err(Refusal::BadCredentials) => Err(taken()),
        outcome => outcome,
    }
}

/// Makes an account for somebody else, as the operator does.
///
/// # Errors
/// When something is outside the rules or the name is taken.
pub async fn add(state: &AppState, typed: SignUpInput<'_>, role: Role) -> Result<Account, Refusal> {
    make(state, typed, admin_if_first(role), &Client::operator(), None).await
}

/// The first account of an installation is its administrator; the others get this role.
const fn admin_if_first(role: Role) -> InitialRole {
    InitialRole {
        if_first: Role::Admin,
        otherwise: role,
    }
}

async fn make(
    state: &AppState,
    typed: SignUpInput<'_>,
    role: InitialRole,
    client: &Client,
    session: Option<&PendingSession>,
) -> Result<Account, Refusal> {
    let parsed = typed.parse()?;
    // Spares the hash; whether the name is free is decided when it is inserted.
    if state.store.credentials(&parsed.username).await?.is_some() {
        return Err(taken());
    }
    let chosen = Chosen {
        field: Field::Password,
        owner: Some(&parsed.username),
        email: parsed.email.as_ref().map(Email::as_str),
        from: client.address,
    };
    let hash = hash_new(state, &parsed.password, chosen).await?;
    insert(state, parsed.username, parsed.email, &hash, role, client, session).await
}

/// Writes an account down, and its first session where there is one.
async fn insert(
    state: &AppState,
    username: Username,
    email: Option<Email>,
    hash: &str,
    role: InitialRole,
    client: &Client,
    session: Option<&PendingSession>,
) -> Result<Account, Refusal> {
    let mut account = Account {
        id: UserId(Uuid::now_v7().to_string()),
        username: username.to_string(),
        email: email.as_ref().map(|email| email.as_str().to_owned()),
        role: role.otherwise,
        epoch: 0,
        created_at: state.clock.now(),
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
    let session = session.map(|draft| draft.of(&account, client));
    let (role, revocations) = state.store.insert_user(&user, session.as_ref()).await?.ok_or_else(taken)?;
    state.revocations.apply(&revocations);
    account.role = role;
    Ok(account)
}

fn taken() -> Refusal {
    Refusal::field(Field::Username, Problem::NameTaken)
}

/// Signs in. Unknown name, wrong password and disabled account get the same answer for the same work.
///
/// # Errors
/// When a field is empty or the two do not belong together.
pub async fn sign_in(
    state: &AppState,
    username: &str,
    password: &str,
    client: &Client,
    replaced: Option<SessionId>,
) -> Result<Tokens, Refusal> {
    let outcome = try_to_sign_in(state, username, password, client, replaced).await;
    state.metrics.signed_in(&outcome);
    outcome
}

async fn try_to_sign_in(
    state: &AppState,
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
    let charged = SignIn::take(state, username, client)?;
    let outcome = with_password(state, username, password, client, replaced).await;
    if outcome.is_err() {
        charged.give_back(state);
    }
    outcome
}

/// Signs in where the limits for successful sign-ins allow one more.
async fn with_password(
    state: &AppState,
    username: &str,
    password: &str,
    client: &Client,
    replaced: Option<SessionId>,
) -> Result<Tokens, Refusal> {
    let guess = throttle::take(state, username, client).await?;
    // What cannot be a name is looked for as well: it takes as long as any other.
    let known = state.store.credentials(Username::parse(username).ok().as_ref()).await?;
    let hash = known.as_ref().map(|(_, hash)| hash.clone());
    let (verified, guess) = throttle::check(state, guess, password, hash, client).await?;
    if let Some((account, hash)) = &known
        && verified.right
        && account.disabled_at.is_none()
        && let Some(tokens) = sessions::begin(state, account, hash, &guess, client, replaced).await?
    {
        throttle::give_back_to_address(state, guess);
        if state.passwords.should_upgrade(hash, password) {
            tokio::spawn(upgrade(
                state.clone(),
                account.id.clone(),
                hash.clone(),
                Zeroizing::new(password.to_owned()),
                client.address,
            ));
        }
        tracing::info!(target: log::AUDIT, user = %account.id, session = %tokens.access.claims.sid, "signed in");
        return Ok(tokens);
    }
    if let Some((account, _)) = &known {
        // Written down after the answer.
        state.write_behind.failed(&account.id, client, state.clock.now());
    }
    // Never the name: people type passwords there.
    let user = known.as_ref().map_or("nobody", |(account, _)| account.id.0.as_str());
    tracing::info!(user, "failed to sign in");
    // Neither a name that is known nor an older hash may show in the time.
    let kinds = state.store.hash_kinds(MANY_ACCOUNTS).await?;
    state.passwords.take_as_long(verified, &kinds, client.address).await?;
    Err(Refusal::BadCredentials)
}

/// Puts a hash of today in the place of an outdated one, now that the password is known. After the answer: it costs as
/// much as another sign-in, and if it fails, the next one tries again.
async fn upgrade(state: AppState, user: UserId, outdated: String, password: Zeroizing<String>, from: Option<IpAddr>) {
    let Ok(hash) = state.passwords.rehash(&password, from).await else {
        return;
    };
    match state.store.upgrade_hash(&user, &outdated, hashed_password(&hash)).await {
        Ok(()) => tracing::info!(%user, "the password's hash is one of today"),
        Err(error) => tracing::warn!(%error, "a password's hash could not be upgraded"),
    }
}

/// Removes an account with everything of it. Returns whether there was one. Its tokens are dead and its name is free when this
/// returns; what belongs to it is deleted before that too, unless there is much of it: then by housekeeping.
async fn remove(state: &AppState, user: &UserId) -> Result<bool, StoreError> {
    let ending = sessions::ending(state, EndReason::Removed);
    let Some(revocations) = state.store.remove_user(user, &ending).await? else {
        return Ok(false);
    };
    state.revocations.apply(&revocations);
    for _ in 0..PURGED_AT_ONCE {
        match state.store.purge_removed_account(PURGE_BATCH).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                tracing::warn!(%error, "the rest of a removed account is deleted later");
                break;
            }
        }
    }
    Ok(true)
}
