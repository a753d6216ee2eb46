//! Exchanges a refresh token for the next pair of tokens. Each refresh token is valid once.
//!
//! The immediate predecessor of the current token gets the *same* successor again in two cases: within the grace, because several
//! tabs and retries present one token at the same time; and later, as long as that successor was never used, because the response
//! was lost. Any other used token has been copied: presenting it ends this session and no other (RFC 9700 section 4.14.2).
//!
//! `refresh_rule.rs` decides by the committed row alone. The code here carries out each decision with one conditional update.

use super::refresh_rule::{Answer, Event, RefreshState, Terms, step};
use super::{Sessions, Tokens};
use crate::refresh_tokens::Presented;
use crate::throttle::{REFRESHES, UNKNOWN_REFRESH_TOKENS};
use crate::tokens::TokenGrant;
use latchkey_store::{Account, Client, EndReason, RetryAfter, Rotation, Session, SessionScope, StoreError};

/// Why a refresh token was not exchanged.
#[derive(Debug)]
pub enum RefreshError {
    /// The token is not one of ours.
    Invalid,
    /// The token is genuine, but its session has ended or expired.
    Ended(EndReason),
    /// Too many tokens that name no session came from this address, or this session was refreshed too often.
    Throttled(RetryAfter),
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Sessions {
    /// Exchanges a refresh token for the next pair of tokens. Every decision is committed before this returns.
    ///
    /// # Errors
    /// After [`RefreshError::Store`] nothing has changed, and the same token can be presented again.
    pub async fn refresh(&self, token: &str, client: &Client) -> Result<Tokens, RefreshError> {
        let outcome = self.counted(token, client).await;
        self.metrics.count_refresh(match &outcome {
            Ok(_) => "ok",
            Err(RefreshError::Invalid) => "invalid",
            Err(RefreshError::Ended(EndReason::Reuse)) => "reuse",
            Err(RefreshError::Ended(_)) => "ended",
            Err(RefreshError::Throttled(_)) => "throttled",
            Err(RefreshError::Store(_)) => "unavailable",
        });
        outcome
    }

    async fn counted(&self, token: &str, client: &Client) -> Result<Tokens, RefreshError> {
        // A malformed token costs no read of the database and is not charged to a limit.
        let presented = Presented::parse(token).ok_or(RefreshError::Invalid)?;
        let charge = self
            .addresses
            .charge(UNKNOWN_REFRESH_TOKENS, client.address, self.clock.now())
            .map_err(RefreshError::Throttled)?;
        let outcome = self.exchange(token, client).await;
        // A token made with a former secret is refused as well, but it names a session. Its charge is refunded, because browsers
        // present such a token with every page.
        let names_no_session =
            matches!(outcome, Err(RefreshError::Invalid)) && matches!(self.store.session(presented.session).await, Ok(None));
        if !names_no_session {
            self.addresses.refund(charge);
        }
        outcome
    }

    async fn exchange(&self, token: &str, client: &Client) -> Result<Tokens, RefreshError> {
        let presented = Presented::parse(token).ok_or(RefreshError::Invalid)?;
        loop {
            let (session, account) = self.genuine(&presented).await?;
            let now = self.clock.now();
            let terms = Terms {
                now,
                grace: self.lifetimes.refresh_grace,
                renewed_until: session.ends_at.min(now + self.lifetimes.refresh_ttl),
            };
            let (next, answer) = step(RefreshState::of(&session), Event::Present(presented.counter), terms);
            let issued = TokenGrant {
                session: session.id,
                counter: next.counter,
                now,
                expires_at: next.expires_at,
            };
            let is_committed = match answer {
                Answer::Rotate => self.rotate(&session, &issued).await?,
                Answer::SameAgain => self.issue_again(&session, &next, &issued).await?,
                Answer::Reuse => return self.end_copied(&session, &account, client).await,
                Answer::Over(reason) => return Err(RefreshError::Ended(reason)),
                Answer::Refuse | Answer::MarkUsed | Answer::End | Answer::Unchanged => return Err(RefreshError::Invalid),
            };
            if is_committed {
                return Ok(self.issue(&account, &session.salt, &issued));
            }
            // Another call changed the row between the read and the update: read it again. This loop ends, because every value in
            // the row only grows.
        }
    }

    async fn rotate(&self, session: &Session, issued: &TokenGrant) -> Result<bool, RefreshError> {
        // The rotation stores this charge in the same statement, so every refresh is charged.
        let refreshes_until = REFRESHES
            .take(session.refreshes_until, issued.now)
            .map_err(RefreshError::Throttled)?;
        let rotation = Rotation {
            id: session.id,
            from: session.counter,
            now: issued.now,
            expires_at: issued.expires_at,
            refreshes_until,
            token_exp: self.tokens.expiry(issued),
        };
        Ok(self.store.rotate_session(&rotation).await?)
    }

    /// Stores what changes when the current pair is issued again: the beginning of its grace, and the expiry of its latest access
    /// token. The code that ends the session needs that expiry.
    async fn issue_again(&self, session: &Session, next: &RefreshState, issued: &TokenGrant) -> Result<bool, RefreshError> {
        let token_exp = self.tokens.expiry(issued).max(session.token_exp);
        if (next.rotated_at, token_exp) == (session.rotated_at, session.token_exp) {
            return Ok(true);
        }
        Ok(self.store.issue_again(session, next.rotated_at, token_exp).await?)
    }

    /// Ends a session because a copy of its refresh token was presented. Unlike a rotation this needs no condition on the counters:
    /// they only grow, so a token that is a copy stays one.
    async fn end_copied(&self, session: &Session, account: &Account, client: &Client) -> Result<Tokens, RefreshError> {
        tracing::warn!(user = %account.id, session = %session.id, "a used refresh token was used again; its session ends");
        if self
            .end(&account.id, SessionScope::One(session.id), EndReason::Reuse, client)
            .await?
            > 0
        {
            self.metrics.count_reuse();
        }
        Err(RefreshError::Ended(EndReason::Reuse))
    }

    /// Ends the session that a token belongs to, regardless of who presents it (RFC 7009). Accepts access tokens and refresh tokens,
    /// including refresh tokens that were already exchanged. An invalid token changes nothing and is no error.
    pub async fn revoke(&self, token: &str, client: &Client) -> Result<(), StoreError> {
        let session = match Presented::parse(token) {
            Some(presented) => match self.genuine(&presented).await {
                Ok((session, account)) => Some((session.id, account.id)),
                Err(RefreshError::Store(error)) => return Err(error),
                Err(_) => None,
            },
            None => self
                .tokens
                .verify(token, self.clock.now())
                .ok()
                .map(|claims| (claims.sid, claims.sub.clone())),
        };
        if let Some((session, user)) = session {
            self.end(&user, SessionScope::One(session), EndReason::Revoked, client).await?;
        }
        Ok(())
    }

    /// Returns the session and the account of a token, if the token is genuine.
    async fn genuine(&self, presented: &Presented) -> Result<(Session, Account), RefreshError> {
        let found = self.store.session(presented.session).await?;
        found
            .filter(|(session, _)| self.refresh_tokens.verify(presented, &session.salt))
            .ok_or(RefreshError::Invalid)
    }
}
