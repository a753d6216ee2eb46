//! Refusals as HTTP: one table from what happened to what is answered.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::flash::Notice;
use latchkey_core::accounts::Refusal;
use latchkey_store::{RetryAfter, StoreError};

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

/// Whether the client shows pages: a browser says `text/html`, programs do not.
pub fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// Why a request was refused, in the extensions of the answer: a browser is shown a page that says so
/// ([`App`](crate::app::App)), a program gets the JSON that is there already.
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

/// Refuses a visitor of whom it cannot be told who it is.
pub fn cannot_tell() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, Notice::Unavailable.sentence())
}

/// The database is away.
pub fn unavailable() -> Response {
    detail(StatusCode::SERVICE_UNAVAILABLE, Notice::Unavailable.sentence())
}

/// What HTTP makes of a refusal.
pub trait HttpRefusal {
    /// The status of the answer.
    fn status(&self) -> StatusCode;

    /// The sentence for the whole form, where one is due.
    fn notice(&self) -> Option<Notice>;

    /// The sentence for programs.
    fn sentence(&self) -> Cow<'static, str>;

    /// When to try again, where that may help (RFC 9110 section 10.2.3).
    fn retry_after(&self) -> Option<HeaderValue>;

    /// Logs what only the operator is told.
    fn log(&self);
}

impl HttpRefusal for Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::Fields(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::BadCredentials | Refusal::NotSignedIn => StatusCode::UNAUTHORIZED,
            Refusal::NoSuchSession => StatusCode::NOT_FOUND,
            Refusal::SignupClosed => StatusCode::FORBIDDEN,
            Refusal::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Busy | Refusal::Unavailable | Refusal::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn notice(&self) -> Option<Notice> {
        match self {
            Refusal::Fields(_) | Refusal::NotSignedIn => None,
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
            tracing::error!(%error, "the database refused");
        }
    }
}

/// The database refused, in the middle of an API call.
pub struct DatabaseError(StoreError);

impl From<StoreError> for DatabaseError {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl IntoResponse for DatabaseError {
    fn into_response(self) -> Response {
        tracing::error!(error = %self.0, "the database refused");
        unavailable()
    }
}
