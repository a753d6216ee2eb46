//! The server accepts only the host of its public URL. This prevents DNS rebinding, and poisoned links and caches.

use axum::extract::Request;
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, header};
use percent_encoding::{CONTROLS, utf8_percent_encode};

use crate::errors::{refuse, wants_page};
use crate::state::AppState;

/// Refuses a `Host` that is not the host of the public URL (RFC 9110 section 15.5.20).
///
/// Another name of the same loopback address is accepted from programs; a browser is redirected to the public URL, for which its
/// cookies are set. Health probes may use any host, because they come by IP address and their responses reveal nothing.
pub fn check(state: &AppState, request: &Request) -> Option<Response> {
    let url = &state.config.public_url;
    let host = host(request);
    // The fast path: browsers send the host in its normal form, so an exact comparison is enough.
    let as_it_is = |host: &str| url.origin().strip_suffix(host).is_some_and(|scheme| scheme.ends_with("//"));
    if host.is_some_and(|host| as_it_is(host) || url.is_host(host)) || request.uri().path().starts_with("/health/") {
        return None;
    }
    if host.is_some_and(|host| url.is_loopback_alias(host)) {
        if request.method().is_safe() && wants_page(request.headers()) {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            // The path may contain non-ASCII bytes, which a `Location` header cannot carry.
            let path = utf8_percent_encode(path, CONTROLS);
            return Some(Redirect::temporary(&format!("{url}{path}")).into_response());
        }
        return None;
    }
    Some(refuse(
        StatusCode::MISDIRECTED_REQUEST,
        format!("This server accepts requests for {url} only. Open that address instead."),
    ))
}

/// Returns the requested host, from the request target (HTTP/2, or the absolute form) or the `Host` header. Returns `None` if the
/// two differ or there are several headers.
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
