//! `POST /revoke` (RFC 7009): ends a session.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::token::{OAuthError, Program, SentToken, TokenError, no_store};
use crate::state::AppState;

/// The form of `POST /revoke`.
#[derive(Deserialize, ToSchema)]
pub struct RevokeRequest {
    /// An access token or a refresh token. A refresh token that was already exchanged is accepted too.
    #[schema(min_length = 1)]
    pub token: String,
}

/// End a session
///
/// Ends the session of the token. All tokens of that session stop working at once. The token is the only authorization needed.
#[utoipa::path(
    post, path = "/revoke", tag = "Tokens",
    request_body(content = RevokeRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The session has ended; also sent if the token is unknown"),
        (status = 400, description = "`invalid_request`: the token is missing", body = TokenError),
        (status = 408, description = "The form did not arrive in time", body = TokenError),
        (status = 413, description = "The form is larger than 16 KiB", body = TokenError),
        (status = 415, description = "The body is not a form", body = TokenError),
        (status = 503, description = "The database is unavailable; try again after `Retry-After` seconds", body = TokenError),
    ),
)]
pub async fn revoke(State(state): State<AppState>, Program(client): Program, SentToken(token): SentToken) -> Result<Response, OAuthError> {
    state.sessions.revoke(&token, &client).await?;
    Ok(no_store(StatusCode::OK))
}
