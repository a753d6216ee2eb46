//! Begins sessions.

use latchkey_store::{Account, Client, NewSession, Salt, SessionId, StoreError};

use super::{MAX_LIVE, Sessions, TokenGrant, Tokens};
use crate::throttle::Attempt;

impl Sessions {
    /// Returns a session that begins now. It replaces the session that the same browser had, `replaced`.
    pub fn pending(&self, replaced: Option<SessionId>) -> NewSession {
        let now = self.clock.now();
        let ends_at = now + self.lifetimes.session_max;
        let expires_at = ends_at.min(now + self.lifetimes.refresh_ttl);
        NewSession {
            id: SessionId::new(),
            salt: Salt::generate(),
            started_at: now,
            expires_at,
            ends_at,
            token_exp: expires_at.min(now + self.tokens.life()),
            live_limit: MAX_LIVE,
            replaced,
        }
    }

    /// Returns the first tokens of a session. Call it only after the session was committed.
    pub fn first_tokens(&self, session: &NewSession, account: &Account) -> Tokens {
        let first = TokenGrant {
            session: session.id,
            counter: 0,
            now: session.started_at,
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
        let session = self.pending(replaced);
        let begun = self
            .store
            .insert_session(&session, &account.id, client, hash, attempt.refund())
            .await?;
        Ok(begun.map(|revocations| {
            self.revocations.apply(&revocations);
            self.first_tokens(&session, account)
        }))
    }
}
