//! Sessions: one sign-in of one user in one client. Knows no HTTP and no SQL.

use uuid::Uuid;

use super::accounts::Account;
use super::clock::UnixSeconds;
use super::state::AppState;
use super::store::{NewSession, StoreError};
use super::tokens::AccessToken;

/// What kind of client a session was begun by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// Holds the token in a cookie.
    Browser,
    /// Sends it as a bearer token.
    Api,
}

impl ClientKind {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            ClientKind::Browser => "browser",
            ClientKind::Api => "api",
        }
    }
}

/// Who a session was begun by, as far as it said.
#[derive(Clone, Debug)]
pub struct Client {
    /// What kind.
    pub kind: ClientKind,
    /// Its `User-Agent`, cut to [`Client::MAX_USER_AGENT`] characters.
    pub user_agent: String,
}

impl Client {
    /// Longest `User-Agent` kept, in characters.
    pub const MAX_USER_AGENT: usize = 256;

    /// A client that calls itself something.
    pub fn new(kind: ClientKind, user_agent: &str) -> Self {
        Self {
            kind,
            user_agent: user_agent.chars().filter(|c| !c.is_control()).take(Self::MAX_USER_AGENT).collect(),
        }
    }
}

/// Begins a session of an account and issues its access token. In a browser it takes the place of the
/// one that was there: nothing planted before a sign-in lives on after it.
///
/// # Errors
/// When the database cannot be used.
pub async fn begin(state: &AppState, account: &Account, client: &Client, replaced: Option<&str>) -> Result<AccessToken, StoreError> {
    let draft = Draft::new(state);
    state.store.insert_session(&draft.of(account, client), replaced).await?;
    Ok(draft.issue(state, account))
}

/// Ends a session because its user says so.
///
/// # Errors
/// When the database cannot be used.
pub async fn sign_out(state: &AppState, id: &str) -> Result<(), StoreError> {
    state.store.end_session(id, "signed_out", state.clock.now()).await
}

/// A session that is not in the database yet.
pub struct Draft {
    id: String,
    now: UnixSeconds,
    expires_at: UnixSeconds,
}

impl Draft {
    /// A session that begins now. It lives as long as its access token.
    pub fn new(state: &AppState) -> Self {
        let now = state.clock.now();
        Self {
            id: Uuid::now_v7().to_string(),
            now,
            expires_at: now + state.tokens.life(),
        }
    }

    /// What to write down.
    pub fn of<'a>(&'a self, account: &'a Account, client: &'a Client) -> NewSession<'a> {
        NewSession {
            id: &self.id,
            user: &account.id,
            client,
            started_at: self.now,
            expires_at: self.expires_at,
        }
    }

    /// The token, once it is written down.
    pub fn issue(&self, state: &AppState, account: &Account) -> AccessToken {
        state.tokens.issue(&account.user(), account.epoch, &self.id, self.now)
    }
}
