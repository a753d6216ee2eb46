//! Finds out whether a browser keeps cookies, so that one that does not is told instead of led in circles.
//!
//! The sign-in pages give a browser that has no cookie of ours a probe. A form that a browser posts without any cookie is
//! answered by a redirect with a marker; a request that carries the marker and still no cookie proves that they are blocked.

use http::{HeaderMap, HeaderValue, Uri};

use super::cookies::CookieKind;
use super::state::AppState;

/// What a page says to a browser that keeps no cookies.
pub const BLOCKED: &str = "Your browser did not keep our cookie. Allow cookies for this site, then sign in again.";

/// The value of the probe, in the place of the flash cookie: it is no flash, so it says nothing on any page.
const PROBE: &str = "cookie-probe";

/// Life of the probe, in seconds: longer than people take to fill in a form.
const PROBE_LIFE: i64 = 60 * 60;

/// The marker in the query.
const MARKER: &str = "cookies=check";

/// Whether a request carries any cookie of ours.
pub fn has_any(state: &AppState, headers: &HeaderMap) -> bool {
    has_lasting(state, headers) || state.cookies.read(headers, CookieKind::Flash).is_some()
}

fn has_lasting(state: &AppState, headers: &HeaderMap) -> bool {
    [CookieKind::Access, CookieKind::Refresh, CookieKind::Device]
        .into_iter()
        .any(|cookie| state.cookies.read(headers, cookie).is_some())
}

/// Whether a form was posted by a browser that sent none of our cookies. Programs do not say `Sec-Fetch-Mode: navigate`, and
/// need no marker.
pub fn is_due(state: &AppState, headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate") && !has_any(state, headers)
}

/// Adds the marker to a path on this site.
pub fn mark(path: &str) -> String {
    let (path, fragment) = path.split_at(path.find('#').unwrap_or(path.len()));
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}{MARKER}{fragment}")
}

/// Whether a request proves that the browser keeps no cookies: the redirect before it set one.
pub fn failed(state: &AppState, uri: &Uri, headers: &HeaderMap) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair == MARKER)) && !has_any(state, headers)
}

/// The path and query of a marked address without its marker.
pub fn unmarked(uri: &Uri) -> String {
    let kept: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(|pair| *pair != MARKER).collect();
    if kept.is_empty() {
        uri.path().to_owned()
    } else {
        format!("{}?{}", uri.path(), kept.join("&"))
    }
}

/// The cookie that a sign-in page sets: the probe for a browser that has none of ours once the flash was shown, an end to a
/// flash that was shown elsewhere, or nothing.
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
