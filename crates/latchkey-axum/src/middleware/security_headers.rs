//! The security headers of every response, including errors.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Allows only files of this site: no inline script or style, nothing from other sites, and no framing. Pages contain no inline
/// script, so no nonce is needed. `wasm-unsafe-eval` allows compiling WASM and nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The fixed headers of every response (ASVS 3.4).
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`, because browsers would then send forms with `Origin: null`.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// The headers of every response, built once.
pub struct SecurityHeaders(HeaderMap);

impl SecurityHeaders {
    /// Builds the headers. `https` tells whether the public URL is https and `Strict-Transport-Security` is sent.
    pub fn new(https: bool) -> Self {
        let mut headers: HeaderMap = HEADERS
            .into_iter()
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect();
        headers.insert(header::CONTENT_SECURITY_POLICY, content_security_policy());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if https {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
        Self(headers)
    }

    /// Adds the headers that the response does not set itself. A response without `Cache-Control` gets `no-store`.
    pub fn add(&self, answer: &mut HeaderMap) {
        // Adding the few headers of the response to a copy of these is faster: the other way round costs half as much again.
        let own = std::mem::replace(answer, self.0.clone());
        answer.extend(own);
    }
}

/// Returns the policy. While `cargo leptos watch` runs, it also allows pages to connect to the reload signal.
fn content_security_policy() -> HeaderValue {
    match crate::dev_reload::port() {
        None => HeaderValue::from_static(CONTENT_SECURITY_POLICY),
        Some(port) => {
            let with_reload = format!("connect-src 'self' ws://localhost:{port} ws://127.0.0.1:{port}");
            HeaderValue::try_from(CONTENT_SECURITY_POLICY.replace("connect-src 'self'", &with_reload))
                .unwrap_or(HeaderValue::from_static(CONTENT_SECURITY_POLICY))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_keeps_its_own_headers_and_gets_the_missing_ones() {
        let mut answer = HeaderMap::new();
        answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
        for cookie in ["a=b", "c=d"] {
            answer.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        SecurityHeaders::new(true).add(&mut answer);
        assert_eq!(answer[header::CACHE_CONTROL], "public");
        assert_eq!(answer.get_all(header::SET_COOKIE).iter().collect::<Vec<_>>(), ["a=b", "c=d"]);
        assert!(HEADERS.iter().all(|(name, value)| answer[name] == value));
        assert_eq!(answer[header::CONTENT_SECURITY_POLICY], CONTENT_SECURITY_POLICY);
        assert!(answer.contains_key(header::STRICT_TRANSPORT_SECURITY));

        let mut answer = HeaderMap::new();
        SecurityHeaders::new(false).add(&mut answer);
        assert_eq!(answer[header::CACHE_CONTROL], "no-store");
        assert!(
            !answer.contains_key(header::STRICT_TRANSPORT_SECURITY),
            "browsers ignore this header on http"
        );
    }
}
