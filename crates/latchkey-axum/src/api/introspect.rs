//! `POST /introspect` (RFC 7662): tells whether an access token is valid.

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

/// The form of `POST /introspect`.
#[derive(Deserialize, ToSchema)]
pub struct IntrospectRequest {
    /// The access token to check.
    #[schema(min_length = 1)]
    pub token: String,
}

/// What is known about a token.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Introspection {
    /// A valid token: its claims.
    Active(Box<ActiveToken>),
    /// Any other token: no details.
    Inactive(InactiveToken),
}

/// The token is not valid: it has expired, it was not issued here, or its session has ended. The response does not say which.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InactiveToken {
    /// Always `false`.
    #[schema(example = false)]
    pub active: bool,
}

/// The token is valid now: its signature is correct, it has not expired, and its session is active.
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
    /// The roles of the user.
    pub roles: Vec<&'static str>,
    /// The session that the token belongs to.
    pub sid: String,
    /// The id of the token.
    pub jti: String,
    /// Who issued it.
    pub iss: String,
    /// The audience of the token.
    pub aud: String,
    /// When the token was issued, in seconds since 1970-01-01 UTC.
    pub iat: i64,
    /// When the token expires, in seconds since 1970-01-01 UTC.
    pub exp: i64,
}

/// Check whether a token is valid
///
/// For services that verify tokens themselves and also need to know about ended sessions. The caller sends its own bearer token.
#[utoipa::path(
    post, path = "/introspect", tag = "Tokens",
    security(("bearer" = [])),
    request_body(content = IntrospectRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What is known about the token; only `active` if it is not valid", body = Introspection),
        (status = 400, description = "`invalid_request`: the token is missing", body = TokenError),
        (status = 401, description = "The caller's own token is missing or not valid", body = Detail),
        (status = 408, description = "The form did not arrive in time", body = TokenError),
        (status = 413, description = "The form is larger than 16 KiB", body = TokenError),
        (status = 415, description = "The body is not a form", body = TokenError),
        (status = 503, description = "The database is unavailable; try again after `Retry-After` seconds", body = Detail),
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
