//! Cross-site requests change nothing (ASVS 3.5.1): sign-in and sign-out included, whatever the content type.

use axum::extract::Request;
use axum::response::Response;
use http::{StatusCode, header};

use crate::app::error::refuse;
use crate::server::state::AppState;

/// Refuses unsafe methods from elsewhere: browsers say where a request comes from in `Sec-Fetch-Site`
/// and `Origin`, and no page can forge either. Programs send neither, and pass where no cookie counts or they carry none.
pub fn check(state: &AppState, request: &Request) -> Option<Response> {
    if request.method().is_safe() || is_ours(state, request) {
        return None;
    }
    Some(refuse(
        request.headers(),
        StatusCode::FORBIDDEN,
        "This request came from another site, so nothing was done.",
    ))
}

fn is_ours(state: &AppState, request: &Request) -> bool {
    let headers = request.headers();
    let site = headers.get("sec-fetch-site").map(|site| site == "same-origin" || site == "none");
    let origin = headers.get(header::ORIGIN).map(|origin| origin == state.config.public_url.origin());
    match (site, origin) {
        // What lies elsewhere reads no cookie.
        (None, None) => !request.uri().path().starts_with("/api/") || !state.cookies.are_there(headers),
        (site, origin) => site.unwrap_or(true) && origin.unwrap_or(true),
    }
}
