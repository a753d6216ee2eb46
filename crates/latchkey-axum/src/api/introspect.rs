//! `POST /introspect` (RFC 7662).

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::token::{SentToken, TokenError, no_store};
use crate::errors::{ApiError, Detail};
use crate::state::AppState;
use crate::visitor::Bearer;
use latchkey_core::sessions::Denied;
use latchkey_types::Role;

/// What to send.
#[derive(Deserialize, ToSchema)]
pub struct IntrospectRequest {
    /// The access token to ask about.
    #[schema(min_length = 1)]
    pub token: String,
}

/// What is known of a token.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Introspection {
    /// Of a good one, what it says.
    Active(Box<ActiveToken>),
    /// Of any other, nothing.
    Inactive(InactiveToken),
}

/// Not good: expired, not ours, or its session is over. Nobody is told which.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InactiveToken {
    /// Always `false`.
    #[schema(example = false)]
    pub active: bool,
}

/// Good right now: signature, expiry, and its session lives.
#[derive(Serialize, ToSchema)]
pub struct ActiveToken {
    /// Always `true`.
    #[schema(example = true)]
    pub active: bool,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// The immutable user id.
    pub sub: String,
    /// The sign-in name.
    pub username: String,
    /// What the user may do.
    pub roles: Vec<&'static str>,
    /// The session that the token belongs to.
    pub sid: String,
    /// The token's own id.
    pub jti: String,
    /// Who issued it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// When it was issued, in seconds since 1970-01-01 UTC.
    pub iat: i64,
    /// When it ends, likewise.
    pub exp: i64,
}

/// Ask whether a token is good
///
/// For services that verify tokens themselves and want to know of sessions that have ended. The caller shows a token of its own.
#[utoipa::path(
    post, path = "/introspect", tag = "Tokens",
    security(("bearer" = [])),
    request_body(content = IntrospectRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What is known of it: `active` alone when it is not good", body = Introspection),
        (status = 400, description = "`invalid_request`: there is no token", body = TokenError),
        (status = 401, description = "The caller's own token is absent or not good", body = Detail),
        (status = 408, description = "The form did not arrive in time", body = TokenError),
        (status = 413, description = "The form is larger than 16 KiB", body = TokenError),
        (status = 415, description = "Not a form", body = TokenError),
        (status = 503, description = "The database is away; try again after `Retry-After` seconds", body = Detail),
    ),
)]
pub async fn introspect(State(state): State<AppState>, _: Bearer, SentToken(token): SentToken) -> Result<Response, ApiError> {
    let answer = match state.sessions.verify(&token).await {
        Ok(claims) => Introspection::Active(Box::new(ActiveToken {
            active: true,
            token_type: "Bearer",
            roles: claims.roles.iter().copied().map(Role::as_str).collect(),
            sid: claims.sid.to_string(),
            jti: claims.jti.to_string(),
            sub: claims.sub.0.clone(),
            username: claims.username.clone(),
            iss: claims.iss.clone(),
            aud: claims.aud.clone(),
            iat: claims.iat,
            exp: claims.exp,
        })),
        Err(Denied::Invalid | Denied::Revoked) => Introspection::Inactive(InactiveToken { active: false }),
        Err(denied) => return Err(denied.into()),
    };
    Ok(no_store(Json(answer)))
}
