//! Blocks cross-site requests that would change something (ASVS 3.5.1), including sign-in and sign-out, whatever their content type.

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::errors::refuse;
use crate::state::AppState;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Paths of the API that are not below `/.well-known/` or `/health/`. They read the `Authorization` header and no cookie.
const API: [&str; 6] = ["/token", "/revoke", "/introspect", "/protected", "/me", "/openapi.json"];

/// Refuses requests with an unsafe method from another site.
///
/// Browsers name the source of a request in `Sec-Fetch-Site` and `Origin`, and no page can forge these headers. Programs send
/// neither. They pass if the path reads no cookie or the request carries none.
pub fn check(state: &AppState, request: &Request) -> Option<Response> {
    if request.method().is_safe() || is_ours(state, request) {
        return None;
    }
    Some(refuse(
        StatusCode::FORBIDDEN,
        "We blocked this request because it came from another site. Nothing was changed. Open this site directly, then try again.",
    ))
}

/// Returns whether `Sec-Fetch-Site` and `Origin`, as far as they are present, name this site.
fn is_ours(state: &AppState, request: &Request) -> bool {
    let headers = request.headers();
    let (Ok(site), Ok(origin)) = (only(headers, &SEC_FETCH_SITE), only(headers, &header::ORIGIN)) else {
        return false;
    };
    let from_us = origin.map(|origin| origin == state.config.public_url.origin());
    match site.map(HeaderValue::as_bytes) {
        // Browsers send `Origin: null` on a site's own posts under `Referrer-Policy: no-referrer`. No browser sends
        // `same-origin` together with another site's origin.
        Some(b"same-origin") => from_us.unwrap_or(true) || origin.is_some_and(|origin| origin == "null"),
        // The visitor caused the request, for example by sending a form again after a browser restart.
        Some(b"none") => from_us.unwrap_or(true),
        Some(_) => false,
        None => from_us.unwrap_or_else(|| reads_no_cookie(request.uri().path()) || !state.cookies.are_there(headers)),
    }
}

/// Returns the value of a header, if present. Two values are ambiguous and therefore an error.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, ()> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(()),
    }
}

fn reads_no_cookie(path: &str) -> bool {
    API.contains(&path) || path.starts_with("/.well-known/") || path.starts_with("/health/")
}
