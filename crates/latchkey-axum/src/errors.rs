//! Refusals in HTTP: one table from what the rules say to what is answered.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::flash::Notice;
use latchkey_core::accounts::Refusal;
use latchkey_store::RetryAfter;

/// When to try again after a 503, in seconds.
pub const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// The body of every refused call of a resource: `{"detail": "…"}`.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Detail {
    /// A sentence.
    pub detail: String,
}

/// Answers a status with a sentence.
pub fn detail(status: StatusCode, sentence: impl Into<String>) -> Response {
    let mut response = (status, Json(Detail { detail: sentence.into() })).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

/// Returns whether the client shows pages: browsers accept `text/html`, programs do not.
pub fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// Why a request was refused, in the extensions of the answer: a browser is shown a page that says so
/// ([`layers`](crate::layers)), a program gets the JSON that is there already.
#[derive(Clone, Debug)]
pub struct RefusedRequest {
    /// The status of the answer.
    pub status: StatusCode,
    /// A sentence.
    pub sentence: String,
}

/// Refuses a request, for browsers and programs alike.
pub fn refuse(status: StatusCode, sentence: impl Into<String>) -> Response {
    let sentence = sentence.into();
    let mut response = detail(status, sentence.clone());
    response.extensions_mut().insert(RefusedRequest { status, sentence });
    response
}

/// Refuses a visitor who cannot be identified because the database is unavailable.
pub fn cannot_tell() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, Notice::Unavailable.sentence())
}

/// How HTTP answers a refusal.
pub trait HttpRefusal {
    /// Returns the status of the answer.
    fn status(&self) -> StatusCode;

    /// Returns the sentence for the whole form, if there is one.
    fn notice(&self) -> Option<Notice>;

    /// Returns the sentence for programs.
    fn sentence(&self) -> Cow<'static, str>;

    /// Returns when to try again, if that may help (RFC 9110 section 10.2.3).
    fn retry_after(&self) -> Option<HeaderValue>;

    /// Logs the cause that only the operator may see. Called once, where a refusal becomes an answer.
    fn log(&self);
}

impl HttpRefusal for Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::Fields(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::BadCredentials | Refusal::NotSignedIn | Refusal::InvalidToken | Refusal::InvalidRefreshToken => {
                StatusCode::UNAUTHORIZED
            }
            Refusal::NoSuchSession => StatusCode::NOT_FOUND,
            Refusal::SignupClosed => StatusCode::FORBIDDEN,
            Refusal::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Busy | Refusal::Unavailable | Refusal::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn notice(&self) -> Option<Notice> {
        match self {
            Refusal::Fields(_) | Refusal::NotSignedIn | Refusal::InvalidToken | Refusal::InvalidRefreshToken => None,
            Refusal::BadCredentials => Some(Notice::BadCredentials),
            Refusal::NoSuchSession => Some(Notice::SessionGone),
            Refusal::SignupClosed => Some(Notice::SignupClosed),
            Refusal::Throttled(RetryAfter(seconds)) => Some(Notice::Throttled(*seconds)),
            Refusal::Busy => Some(Notice::Busy),
            Refusal::Unavailable | Refusal::Store(_) => Some(Notice::Unavailable),
        }
    }

    fn sentence(&self) -> Cow<'static, str> {
        match self {
            Refusal::NotSignedIn => "Not authenticated".into(),
            Refusal::InvalidToken => "Could not validate credentials".into(),
            Refusal::InvalidRefreshToken => "The refresh token is invalid, or its session has ended.".into(),
            refusal => refusal.notice().map_or("Check the fields.".into(), Notice::sentence),
        }
    }

    fn retry_after(&self) -> Option<HeaderValue> {
        match self {
            Refusal::Throttled(RetryAfter(seconds)) => Some(HeaderValue::from(*seconds)),
            Refusal::Busy | Refusal::Unavailable | Refusal::Store(_) => Some(RETRY_AFTER),
            _ => None,
        }
    }

    fn log(&self) {
        if let Refusal::Store(error) = self {
            tracing::error!(%error, "the database failed");
        }
    }
}

/// A refusal as the API answers it: `{"detail": "…"}`. This is the one boundary between rules and the API; only `/token` and its
/// like use the form of RFC 6749 instead ([`OAuthError`](crate::api::token::OAuthError)).
#[derive(Debug)]
pub struct ApiError(pub Refusal);

impl<E: Into<Refusal>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self(refusal) = self;
        refusal.log();
        let mut response = detail(refusal.status(), refusal.sentence());
        let headers = response.headers_mut();
        if let Some(when) = refusal.retry_after() {
            headers.insert(header::RETRY_AFTER, when);
        }
        if refusal.status() == StatusCode::UNAUTHORIZED {
            // RFC 6750 section 3: the same for every defect of a token.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
