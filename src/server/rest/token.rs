//! `POST /token` (RFC 6749 section 4.3).

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::server::accounts::{self, Refusal};
use crate::server::errors::RETRY_AFTER;
use crate::server::form::{Form, FormError};
use crate::server::session::user_agent;
use crate::server::sessions::{Client, ClientKind};
use crate::server::state::AppState;

/// What to send.
#[derive(Deserialize, ToSchema)]
pub struct TokenRequest {
    /// `password`; may be left out.
    pub grant_type: Option<String>,
    /// The sign-in name.
    pub username: String,
    /// The password.
    #[schema(format = Password)]
    pub password: String,
}

/// What comes back (RFC 6749 section 5.1).
#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    /// A JWT, to be sent as `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    pub token_type: &'static str,
    /// Life of the token, in seconds.
    #[schema(example = 900)]
    pub expires_in: i64,
}

/// What comes back instead (RFC 6749 section 5.2).
#[derive(Serialize, ToSchema)]
pub struct TokenError {
    /// A code of RFC 6749.
    #[schema(example = "invalid_grant")]
    pub error: &'static str,
    /// A sentence for people.
    pub error_description: String,
}

/// Get an access token
///
/// Takes a sign-in name and a password, as a form. `client_id` and other fields are ignored.
#[utoipa::path(
    post, path = "/token", tag = "Tokens",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A token, for a session of its own", body = TokenResponse),
        (status = 400, description = "`invalid_request`, `invalid_grant` for a wrong name or password, or `unsupported_grant_type`", body = TokenError),
        (status = 413, description = "The form is larger than 16 KiB", body = TokenError),
        (status = 415, description = "Not a form", body = TokenError),
        (status = 503, description = "Too busy, or the database is away; try again after `Retry-After` seconds", body = TokenError),
    ),
)]
pub async fn token(State(state): State<AppState>, request: Request) -> Response {
    let client = Client::new(ClientKind::Api, user_agent(request.headers()));
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(FormError { status, sentence }) => return error(status, "invalid_request", sentence),
    };
    match form.get("grant_type").unwrap_or("password") {
        "password" if state.config.password_grant => password_grant(&state, &form, &client).await,
        _ => error(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "This grant type cannot be used here.",
        ),
    }
}

async fn password_grant(state: &AppState, form: &Form, client: &Client) -> Response {
    let (Some(username), Some(password)) = (form.get("username"), form.get("password")) else {
        return error(StatusCode::BAD_REQUEST, "invalid_request", "Send username and password.");
    };
    match accounts::sign_in(state, username, password, client, None).await {
        Ok(token) => no_store(Json(TokenResponse {
            access_token: token.jwt,
            token_type: "bearer",
            expires_in: state.tokens.life(),
        })),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response {
    refusal.log();
    let sentence = refusal.notice().map_or("Check the fields.", |notice| notice.sentence());
    match refusal {
        Refusal::BadCredentials => error(StatusCode::BAD_REQUEST, "invalid_grant", sentence),
        Refusal::Busy | Refusal::Store(_) => error(refusal.status(), "temporarily_unavailable", sentence),
        Refusal::Fields(_) | Refusal::SignupClosed => error(StatusCode::BAD_REQUEST, "invalid_request", sentence),
    }
}

fn error(status: StatusCode, error: &'static str, sentence: &str) -> Response {
    let body = TokenError {
        error,
        error_description: sentence.to_owned(),
    };
    let mut response = no_store((status, Json(body)));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

/// RFC 6749 section 5.1 asks for both.
fn no_store(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
