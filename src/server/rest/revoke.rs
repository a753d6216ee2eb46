//! `POST /revoke` (RFC 7009).

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::token::{TokenError, error, no_store};
use crate::server::form::{Form, FormError};
use crate::server::session;
use crate::server::sessions::{self, ClientKind};
use crate::server::state::AppState;

/// What to send.
#[derive(Deserialize, ToSchema)]
pub struct RevokeRequest {
    /// A refresh token, also one that was exchanged already, or an access token.
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
        (status = 413, description = "The form is larger than 16 KiB", body = TokenError),
        (status = 415, description = "Not a form", body = TokenError),
        (status = 503, description = "The database is away; try again after `Retry-After` seconds", body = TokenError),
    ),
)]
pub async fn revoke(State(state): State<AppState>, request: Request) -> Response {
    let client = session::client(&state, ClientKind::Api, request.headers(), request.extensions());
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(FormError { status, sentence }) => return error(status, "invalid_request", sentence),
    };
    let Some(token) = form.get("token") else {
        return error(StatusCode::BAD_REQUEST, "invalid_request", "Send token.");
    };
    match sessions::revoke(&state, token, &client).await {
        Ok(()) => no_store(StatusCode::OK.into_response()),
        Err(error) => super::token::refused(&error.into()),
    }
}
