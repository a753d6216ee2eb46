//! The headers that every answer carries, errors included.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

use crate::server::state::AppState;

/// Nothing but our own files: no inline script or style, nothing from elsewhere, never in a frame. Pages
/// hold no inline script at all, so no nonce is needed; `wasm-unsafe-eval` lets WASM compile and nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Each answer's headers, in the words of ASVS 3.4.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: browsers would then post with `Origin: null`.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Adds them. What sets no caching of its own is not stored anywhere.
pub async fn add(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, content_security_policy());
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if state.config.public_url.is_https() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// While `cargo leptos watch` runs, pages also listen for its reload signal.
fn content_security_policy() -> HeaderValue {
    match crate::app::reload::port() {
        None => HeaderValue::from_static(CONTENT_SECURITY_POLICY),
        Some(port) => {
            let with_reload = format!("connect-src 'self' ws://localhost:{port} ws://127.0.0.1:{port}");
            HeaderValue::try_from(CONTENT_SECURITY_POLICY.replace("connect-src 'self'", &with_reload))
                .unwrap_or(HeaderValue::from_static(CONTENT_SECURITY_POLICY))
        }
    }
}
