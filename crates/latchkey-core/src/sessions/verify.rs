//! The check of every request: signature (once), expiry and whether the session has ended (each time). No I/O as long as
//! there is news, except for the first request of a pair of tokens.

use std::sync::Arc;

use super::Sessions;
use crate::revocations::TokenStatus;
use crate::tokens::Claims;
use latchkey_store::StoreError;

/// Why an access token opens nothing.
#[derive(Debug)]
pub enum Denied {
    /// It is none of ours, or has expired.
    Invalid,
    /// Its session has ended, or its facts have changed.
    Revoked,
    /// The database does not answer. Without it, it cannot be told whether the session lives, or the first use of the token
    /// cannot be written down.
    Unavailable(StoreError),
}

impl Sessions {
    /// What a good access token says.
    ///
    /// # Errors
    /// [`Denied`]. In doubt nobody gets in.
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
                    // Boxed: it is large, and every request would carry it.
                    Box::pin(self.record_first_use(&claims, now)).await.map_err(Denied::Unavailable)?;
                }
                Ok(claims)
            }
            TokenStatus::Stale | TokenStatus::Ended | TokenStatus::Unknown => Err(Denied::Revoked),
        }
    }
}
