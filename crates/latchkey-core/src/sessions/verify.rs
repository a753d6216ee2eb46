//! Verifies the access token of every request: its signature once, its expiry and whether its session has ended each time. This
//! needs no I/O while the revocations in memory are up to date, except for the first request with a pair of tokens.

use std::sync::Arc;

use super::Sessions;
use crate::revocations::TokenStatus;
use crate::tokens::Claims;
use latchkey_store::StoreError;

/// Why an access token was refused.
#[derive(Debug)]
pub enum Denied {
    /// The token is not one of ours, or it has expired.
    Invalid,
    /// The session of the token has ended, or what the token says about its user has changed.
    Revoked,
    /// The database is unavailable, so the session may have ended, or the first use of the token cannot be written.
    Unavailable(StoreError),
}

impl Sessions {
    /// Verifies an access token and returns its claims. In doubt the token is refused.
    pub async fn verify(&self, jwt: &str) -> Result<Arc<Claims>, Denied> {
        let now = self.clock.now();
        let claims = self.tokens.verify(jwt, now).map_err(|_| Denied::Invalid)?;
        let mut standing = self.revocations.status(&claims, now);
        if standing == TokenStatus::Unknown {
            self.sync.catch_up().await.map_err(Denied::Unavailable)?;
            standing = self.revocations.status(&claims, now);
        }
        match standing {
            TokenStatus::Good => {
                if !self.first_uses.is_recorded(claims.sid, claims.jti.counter(), now) {
                    // The future is large. It is boxed, because otherwise the future of every request would contain it.
                    Box::pin(self.record_first_use(&claims, now)).await.map_err(Denied::Unavailable)?;
                }
                Ok(claims)
            }
            TokenStatus::Stale | TokenStatus::Ended | TokenStatus::Unknown => Err(Denied::Revoked),
        }
    }
}
