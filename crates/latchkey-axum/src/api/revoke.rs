//! `POST /revoke` (RFC 7009).

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::token::{OAuthError, Program, SentToken, TokenError, no_store};
use crate::state::AppState;

/// What to send.
#[derive(Deserialize, ToSchema)]
pub struct RevokeRequest {
    /// A refresh token, also one that was exchanged already, or an access token.
    #[schema(min_length = 1)]
    pub token: String,
}

/// End a session
///
/// Ends the session that a token belongs to: every token of it is dead at once. Having the token is all it takes.
#[utoipa::path(
    post, path = "/revoke", tag = "Tokens",
    request_body(content = RevokeRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The session is over; also when the token means nothing"),
        (status = 400, description = "`invalid_request`: there is no token", body = TokenError),
        (status = 408, description = "The form did not arrive in time", body = TokenError),
        (status = 413, description = "The form is larger than 16 KiB", body = TokenError),
        (status = 415, description = "Not a form", body = TokenError),
        (status = 503, description = "The database is away; try again after `Retry-After` seconds", body = TokenError),
    ),
)]
pub async fn revoke(State(state): State<AppState>, Program(client): Program, SentToken(token): SentToken) -> Result<Response, OAuthError> {
    state.sessions.revoke(&token, &client).await?;
    Ok(no_store(StatusCode::OK))
}
