//! `GET /.well-known/security.txt` (RFC 9116): the contact for security reports.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use jiff::Timestamp;

use crate::errors::detail;
use crate::state::AppState;

/// How long the file is valid, in seconds. RFC 9116 recommends less than a year.
const GOOD_FOR: i64 = 180 * 24 * 3600;

/// Find the contact for security reports
///
/// RFC 9116. Answers 404 unless the operator has set `LATCHKEY_SECURITY_CONTACT`.
#[utoipa::path(
    get, path = "/.well-known/security.txt", tag = "Description",
    responses(
        (status = 200, description = "The contact", body = String, content_type = "text/plain"),
        (status = 404, description = "No contact is set", body = crate::errors::Detail),
    ),
)]
pub async fn security_txt(State(state): State<AppState>) -> Response {
    let contact = state.config.security_contact.as_deref();
    let expires = Timestamp::from_second(state.clock.now() + GOOD_FOR).ok();
    let (Some(contact), Some(expires)) = (contact, expires) else {
        return detail(StatusCode::NOT_FOUND, "Not Found");
    };
    let origin = state.config.public_url.origin();
    let text = format!("Contact: {contact}\nExpires: {expires}\nCanonical: {origin}/.well-known/security.txt\n");
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
