//! The check of every request: signature (once), expiry and whether the session has ended (each time). No I/O as long as
//! there is news.

use std::sync::Arc;

use crate::server::news;
use crate::server::revocations::Standing;
use crate::server::state::AppState;
use crate::server::store::StoreError;
use crate::server::tokens::Claims;

/// Why an access token opens nothing.
#[derive(Debug)]
pub enum Denied {
    /// It is none of ours, or has expired.
    Invalid,
    /// Its session has ended, or its facts have changed.
    Revoked,
    /// Whether its session lives cannot be told: there is no news, and the database does not answer.
    Unavailable(StoreError),
}

/// What a good access token says.
///
/// # Errors
/// [`Denied`]. In doubt nobody gets in.
pub async fn verify(state: &AppState, jwt: &str) -> Result<Arc<Claims>, Denied> {
    let now = state.clock.now();
    let claims = state.tokens.verify(jwt, now).map_err(|_| Denied::Invalid)?;
    let mut standing = state.revocations.standing(&claims, now);
    if standing == Standing::Unknown {
        news::catch_up(state).await.map_err(Denied::Unavailable)?;
        standing = state.revocations.standing(&claims, now);
    }
    match standing {
        Standing::Good => {
            state.notes.seen(claims.sid, claims.jti.counter(), now);
            Ok(claims)
        }
        Standing::Stale | Standing::Ended | Standing::Unknown => Err(Denied::Revoked),
    }
}
