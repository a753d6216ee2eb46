//! Cross-site requests change nothing (ASVS 3.5.1): sign-in and sign-out included, whatever the content type.

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::errors::refuse;
use crate::state::AppState;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Paths of the API table that are not below `/.well-known/` or `/health/`. They read the bearer header and no cookie.
const API: [&str; 6] = ["/token", "/revoke", "/introspect", "/protected", "/me", "/openapi.json"];

/// Refuses unsafe methods from elsewhere: browsers say where a request comes from in `Sec-Fetch-Site`
/// and `Origin`, and no page can forge either. Programs send neither, and pass where no cookie counts or they carry none.
pub fn check(state: &AppState, request: &Request) -> Option<Response> {
    if request.method().is_safe() || is_ours(state, request) {
        return None;
    }
    Some(refuse(
        StatusCode::FORBIDDEN,
        "This request came from another site, so nothing was done.",
    ))
}

/// Whether `Sec-Fetch-Site`, and `Origin` beside it or in its place, name this site.
fn is_ours(state: &AppState, request: &Request) -> bool {
    let headers = request.headers();
    let (Ok(site), Ok(origin)) = (only(headers, &SEC_FETCH_SITE), only(headers, &header::ORIGIN)) else {
        return false;
    };
    let from_us = origin.map(|origin| origin == state.config.public_url.origin());
    match site.map(HeaderValue::as_bytes) {
        // `null` is what browsers write on a site's own posts under `Referrer-Policy: no-referrer`. Another origin beside
        // `same-origin` comes from no browser.
        Some(b"same-origin") => from_us.unwrap_or(true) || origin.is_some_and(|origin| origin == "null"),
        // The visitor's own doing, such as sending a form again after a restart.
        Some(b"none") => from_us.unwrap_or(true),
        Some(_) => false,
        None => from_us.unwrap_or_else(|| reads_no_cookie(request.uri().path()) || !state.cookies.are_there(headers)),
    }
}

/// The value of a header, if there is one. Two values are ambiguous, which is an error.
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
