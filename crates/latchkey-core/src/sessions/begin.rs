//! Begins sessions.

use latchkey_store::{Account, Client, NewSession, Salt, SessionId, StoreError, UnixSeconds};

use super::{MAX_LIVE, Sessions, TokenGrant, Tokens};
use crate::throttle::Attempt;

/// A session that is not in the database yet.
pub struct PendingSession {
    id: SessionId,
    salt: Salt,
    now: UnixSeconds,
    expires_at: UnixSeconds,
    ends_at: UnixSeconds,
    token_exp: UnixSeconds,
    replaced: Option<SessionId>,
}

impl PendingSession {
    /// Returns the row to insert for this session of an account.
    pub fn of<'a>(&'a self, account: &'a Account, client: &'a Client) -> NewSession<'a> {
        NewSession {
            id: self.id,
            user: &account.id,
            client,
            salt: &self.salt,
            started_at: self.now,
            expires_at: self.expires_at,
            ends_at: self.ends_at,
            token_exp: self.token_exp,
            refund: None,
            live_limit: MAX_LIVE,
            replaced: self.replaced,
        }
    }
}

impl Sessions {
    /// Returns a session that begins now. It replaces the session that the same browser had, `replaced`.
    pub fn pending(&self, replaced: Option<SessionId>) -> PendingSession {
        let now = self.clock.now();
        let ends_at = now + self.lifetimes.session_max;
        let expires_at = ends_at.min(now + self.lifetimes.refresh_ttl);
        PendingSession {
            id: SessionId::new(),
            salt: Salt::generate(),
            now,
            expires_at,
            ends_at,
            token_exp: expires_at.min(now + self.tokens.life()),
            replaced,
        }
    }

    /// Returns the first tokens of a session. Call it only after the session was committed.
    pub fn first_tokens(&self, session: &PendingSession, account: &Account) -> Tokens {
        let first = TokenGrant {
            session: session.id,
            counter: 0,
            now: session.now,
            expires_at: session.expires_at,
        };
        self.issue(account, &session.salt, &first)
    }

    /// Begins a session of an account whose password was just verified against `hash`. It ends the session that the browser had
    /// before, `replaced`, so that a session planted before the sign-in (session fixation) does not survive it. Returns `None` if
    /// the account was disabled or its password was changed in the meantime.
    pub async fn begin(
        &self,
        account: &Account,
        hash: &str,
        attempt: &Attempt,
        client: &Client,
        replaced: Option<SessionId>,
    ) -> Result<Option<Tokens>, StoreError> {
        let draft = self.pending(replaced);
        let session = NewSession {
            refund: Some(attempt.refund()),
            ..draft.of(account, client)
        };
        let begun = self.store.insert_session(&session, hash).await?;
        Ok(begun.map(|revocations| {
            self.revocations.apply(&revocations);
            self.first_tokens(&draft, account)
        }))
    }
}
