//! Detects browsers that block cookies, so that they get a notice instead of endless redirects.
//!
//! The sign-in pages set a probe cookie if a browser has none of our cookies. A form that a browser posts without any of our cookies
//! is answered with a redirect that has a marker. A request with the marker and still no cookie proves that cookies are blocked.

use http::{HeaderMap, HeaderValue, Uri};

use super::cookies::CookieKind;
use super::state::AppState;

/// The notice for a browser that blocks cookies.
pub const BLOCKED: &str = "Your browser did not keep our cookie. Allow cookies for this site, then sign in again.";

/// The value of the probe, which uses the name of the flash cookie. It is no valid flash, so no page shows a message for it.
const PROBE: &str = "cookie-probe";

/// Life of the probe, in seconds: longer than it takes to fill in a form.
const PROBE_LIFE: i64 = 60 * 60;

/// The marker in the query of a redirect.
const MARKER: &str = "cookies=check";

/// Returns whether a request contains any of our cookies.
pub fn has_any(state: &AppState, headers: &HeaderMap) -> bool {
    has_lasting(state, headers) || state.cookies.read(headers, CookieKind::Flash).is_some()
}

fn has_lasting(state: &AppState, headers: &HeaderMap) -> bool {
    [CookieKind::Access, CookieKind::Refresh, CookieKind::Device]
        .into_iter()
        .any(|cookie| state.cookies.read(headers, cookie).is_some())
}

/// Returns whether the redirect after a form needs the marker: a browser sent the form without any of our cookies. Programs do not
/// send `Sec-Fetch-Mode: navigate` and need no marker.
pub fn is_due(state: &AppState, headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate") && !has_any(state, headers)
}

/// Adds the marker to a path on this site.
pub fn mark(path: &str) -> String {
    let (path, fragment) = path.split_at(path.find('#').unwrap_or(path.len()));
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}{MARKER}{fragment}")
}

/// Returns whether a request proves that the browser blocks cookies: it has the marker, so the redirect before it set a cookie, but
/// the request contains none.
pub fn failed(state: &AppState, uri: &Uri, headers: &HeaderMap) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair == MARKER)) && !has_any(state, headers)
}

/// Returns path and query of a URL without the marker.
pub fn unmarked(uri: &Uri) -> String {
    let kept: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(|pair| *pair != MARKER).collect();
    if kept.is_empty() {
        uri.path().to_owned()
    } else {
        format!("{}?{}", uri.path(), kept.join("&"))
    }
}

/// Returns the `Set-Cookie` header of a sign-in page. With a session or device cookie, it clears a flash that was shown. Without one,
/// it sets the probe unless the browser still has a flash cookie that was not shown.
pub fn after_sign_in_page(state: &AppState, headers: &HeaderMap, flash_was_shown: bool) -> Option<HeaderValue> {
    let has_flash = state.cookies.read(headers, CookieKind::Flash).is_some();
    match (has_lasting(state, headers), flash_was_shown, has_flash) {
        (true, true, _) => Some(state.cookies.clear(CookieKind::Flash)),
        (true, false, _) | (false, false, true) => None,
        (false, true, _) | (false, false, false) => Some(state.cookies.set(CookieKind::Flash, PROBE, PROBE_LIFE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_joins_the_query_and_stays_before_the_fragment() {
        for (path, marked) in [
            ("/dashboard", "/dashboard?cookies=check"),
            ("/login?next=%2Faccount", "/login?next=%2Faccount&cookies=check"),
            ("/account#change-email", "/account?cookies=check#change-email"),
        ] {
            assert_eq!(mark(path), marked);
            let uri: Uri = marked.split('#').next().unwrap_or_default().parse().expect("an address");
            assert_eq!(unmarked(&uri), path.split('#').next().unwrap_or_default());
        }
    }
}
