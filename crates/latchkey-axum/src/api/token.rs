//! `POST /token` (RFC 6749 section 4.3).

use std::convert::Infallible;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::errors::HttpRefusal;
use crate::state::AppState;
use crate::strict_form::{Form, FormError};
use crate::visitor;
use latchkey_core::accounts::Refusal;
use latchkey_core::sessions::Tokens;
use latchkey_store::{Client, ClientKind};

/// The form of `POST /token`: one of these.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum TokenRequest {
    /// A sign-in name and a password.
    Password(PasswordGrant),
    /// A refresh token.
    Refresh(RefreshGrant),
}

/// Begins a session.
#[derive(Deserialize, ToSchema)]
pub struct PasswordGrant {
    /// `password`, or absent.
    #[schema(example = "password", pattern = "^password$", nullable = false)]
    pub grant_type: Option<String>,
    /// The sign-in name.
    #[schema(min_length = 1)]
    pub username: String,
    /// The password.
    #[schema(format = Password, min_length = 1)]
    pub password: String,
}

/// Gets the next tokens of a session.
#[derive(Deserialize, ToSchema)]
pub struct RefreshGrant {
    /// `refresh_token`.
    #[schema(example = "refresh_token", pattern = "^refresh_token$")]
    pub grant_type: String,
    /// The refresh token of the last answer.
    #[schema(min_length = 1)]
    pub refresh_token: String,
}

/// The tokens (RFC 6749 section 5.1).
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
    /// Exchanged once for the next pair of tokens.
    pub refresh_token: String,
}

/// The error (RFC 6749 section 5.2).
#[derive(Serialize, ToSchema)]
pub struct TokenError {
    /// An error code of RFC 6749.
    #[schema(example = "invalid_grant")]
    pub error: &'static str,
    /// A sentence for people.
    pub error_description: String,
}

/// Get an access token
///
/// Takes a sign-in name and a password, or the refresh token of an earlier answer, as a form. `client_id` and other fields are ignored.
#[utoipa::path(
    post, path = "/token", tag = "Tokens",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "An access token and a refresh token; with a password, of a new session", body = TokenResponse),
        (status = 400, description = "`invalid_request`, `invalid_grant` for a wrong name, password or refresh token, or `unsupported_grant_type`", body = TokenError),
        (status = 408, description = "The form did not arrive in time", body = TokenError),
        (status = 413, description = "The form is larger than 16 KiB", body = TokenError),
        (status = 415, description = "The body is not a form", body = TokenError),
        (status = 429, description = "Too many wrong tries; try again after `Retry-After` seconds", body = TokenError),
        (status = 503, description = "Too busy, or the database is unavailable; try again after `Retry-After` seconds", body = TokenError),
    ),
)]
pub async fn token(State(state): State<AppState>, Program(client): Program, TokenForm(form): TokenForm) -> Result<Response, OAuthError> {
    match form.get("grant_type").unwrap_or("password") {
        "password" if state.config.password_grant => password_grant(&state, &form, &client).await,
        "refresh_token" => refresh_grant(&state, &form, &client).await,
        _ => Err(OAuthError::UnsupportedGrantType),
    }
}

/// The program that calls.
pub struct Program(pub Client);

impl FromRequestParts<AppState> for Program {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        Ok(Self(visitor::client(state, ClientKind::Api, &parts.headers, &parts.extensions)))
    }
}

/// The form of a call. A malformed form is refused in the form of RFC 6749.
pub struct TokenForm(pub Form);

impl FromRequest<AppState> for TokenForm {
    type Rejection = OAuthError;

    async fn from_request(request: Request, _: &AppState) -> Result<Self, OAuthError> {
        let form = Form::read(request).await;
        form.map(Self)
            .map_err(|FormError { status, sentence }| OAuthError::InvalidRequest(status, sentence))
    }
}

/// The field `token` of `/revoke` and `/introspect`.
pub struct SentToken(pub String);

impl FromRequest<AppState> for SentToken {
    type Rejection = OAuthError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, OAuthError> {
        let TokenForm(form) = TokenForm::from_request(request, state).await?;
        let token = form.get("token").map(str::to_owned);
        token
            .map(Self)
            .ok_or(OAuthError::InvalidRequest(StatusCode::BAD_REQUEST, "Send token."))
    }
}

async fn password_grant(state: &AppState, form: &Form, client: &Client) -> Result<Response, OAuthError> {
    let (Some(username), Some(password)) = (form.get("username"), form.get("password")) else {
        return Err(OAuthError::InvalidRequest(StatusCode::BAD_REQUEST, "Send username and password."));
    };
    Ok(granted(state.accounts.sign_in(username, password, client, None).await?))
}

/// Refreshes (RFC 6749 section 6). Every refused token gets the same answer.
async fn refresh_grant(state: &AppState, form: &Form, client: &Client) -> Result<Response, OAuthError> {
    let Some(token) = form.get("refresh_token") else {
        return Err(OAuthError::InvalidRequest(StatusCode::BAD_REQUEST, "Send refresh_token."));
    };
    Ok(granted(state.sessions.refresh(token, client).await?))
}

fn granted(tokens: Tokens) -> Response {
    let claims = &tokens.access.claims;
    no_store(Json(TokenResponse {
        expires_in: claims.exp - claims.iat,
        access_token: tokens.access.jwt,
        token_type: "bearer",
        refresh_token: tokens.refresh,
    }))
}

/// A refusal in the form of RFC 6749 section 5.2, for `/token`, `/revoke` and `/introspect`.
#[derive(Debug)]
pub enum OAuthError {
    /// The form could not be read, or a field is missing.
    InvalidRequest(StatusCode, &'static str),
    /// The grant type is not one that this server offers.
    UnsupportedGrantType,
    /// The rules refused.
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for OAuthError {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        match self {
            Self::InvalidRequest(status, sentence) => error(status, "invalid_request", sentence),
            Self::UnsupportedGrantType => error(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "This grant type cannot be used here.",
            ),
            Self::Refused(refusal) => {
                refusal.log();
                let (status, code) = match refusal {
                    Refusal::BadCredentials | Refusal::InvalidRefreshToken => (StatusCode::BAD_REQUEST, "invalid_grant"),
                    Refusal::Throttled(_) | Refusal::Busy | Refusal::Unavailable | Refusal::Store(_) => {
                        (refusal.status(), "temporarily_unavailable")
                    }
                    _ => (StatusCode::BAD_REQUEST, "invalid_request"),
                };
                let mut response = error(status, code, &refusal.sentence());
                if let Some(when) = refusal.retry_after() {
                    response.headers_mut().insert(header::RETRY_AFTER, when);
                }
                response
            }
        }
    }
}

fn error(status: StatusCode, error: &'static str, sentence: &str) -> Response {
    let body = TokenError {
        error,
        error_description: sentence.to_owned(),
    };
    no_store((status, Json(body)))
}

/// Forbids caches to store the answer, with both headers that RFC 6749 section 5.1 asks for.
pub fn no_store(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
