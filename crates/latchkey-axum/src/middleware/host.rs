//! The server answers to its public URL only: no other name can be rebound to it, poison a link or a cache.

use axum::extract::Request;
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, header};
use percent_encoding::{CONTROLS, utf8_percent_encode};

use crate::errors::{refuse, wants_page};
use crate::state::AppState;

/// Refuses a `Host` that is not the public URL's (RFC 9110 section 15.5.20). Another name of the same
/// loopback address will do for programs; a person is led to the right one, where the cookies are.
/// Health probes come by address and learn nothing.
pub fn check(state: &AppState, request: &Request) -> Option<Response> {
    let url = &state.config.public_url;
    let host = host(request);
    // As browsers write it there is nothing to fold or to cut.
    let as_it_is = |host: &str| url.origin().strip_suffix(host).is_some_and(|scheme| scheme.ends_with("//"));
    if host.is_some_and(|host| as_it_is(host) || url.is_host(host)) || request.uri().path().starts_with("/health/") {
        return None;
    }
    if host.is_some_and(|host| url.is_loopback_alias(host)) {
        if request.method().is_safe() && wants_page(request.headers()) {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            // Clients may send other bytes than ASCII, which no header can carry.
            let path = utf8_percent_encode(path, CONTROLS);
            return Some(Redirect::temporary(&format!("{url}{path}")).into_response());
        }
        return None;
    }
    Some(refuse(
        StatusCode::MISDIRECTED_REQUEST,
        &format!("This server answers to {url} only."),
    ))
}

/// The one host that was asked for: from the request line (HTTP/2, or the absolute form) or the header.
fn host(request: &Request) -> Option<&str> {
    let mut headers = request.headers().get_all(header::HOST).into_iter();
    let header = match (headers.next(), headers.next()) {
        (Some(host), None) => Some(host.to_str().ok()?),
        (None, _) => None,
        (Some(_), Some(_)) => return None,
    };
    match (request.uri().authority(), header) {
        (Some(authority), Some(host)) if authority.as_str() != host => None,
        (Some(authority), _) => Some(authority.as_str()),
        (None, host) => host,
    }
}
