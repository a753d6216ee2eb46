//! The path to redirect to after signing in.

use std::fmt;

/// Longest path that is accepted, in bytes.
const MAX: usize = 1024;

/// Paths that are not pages, and the sign-up page, which would redirect in a circle. All other paths are accepted, because
/// they may be pages that an adopter added.
const NO_PAGES: [&str; 8] = [
    "/token",
    "/revoke",
    "/introspect",
    "/protected",
    "/me",
    "/openapi.json",
    "/session/events",
    "/signup",
];

/// Paths that are refused together with every path below them, because there are no pages to return to.
const NO_PAGES_BELOW: [&str; 6] = ["/api", "/assets", "/health", "/.well-known", "/revocations", "/login"];

/// A path on this site. Everything else becomes [`Next::default`], the dashboard, so that a redirect never leaves the site
/// (in the spirit of ASVS 10.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next(String);

impl Next {
    /// Accepts a path that begins with exactly one slash and consists of visible ASCII only. Backslashes, tabs and line breaks
    /// are refused, because browsers read `\` as `/` and drop the others, so they can be used to leave the site.
    pub fn parse(asked: &str) -> Self {
        let path = asked.as_bytes();
        let on_this_site = path.first() == Some(&b'/')
            && path.get(1) != Some(&b'/')
            && path.len() <= MAX
            && path.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\');
        if on_this_site && leads_to_a_page(asked) {
            Self(asked.to_owned())
        } else {
            Self::default()
        }
    }

    /// Returns the path with its query.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this is the default path, so that links can omit it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Next {
    fn default() -> Self {
        Self("/dashboard".to_owned())
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn leads_to_a_page(asked: &str) -> bool {
    let path = resolve(asked.split(['?', '#']).next().unwrap_or_default());
    let is_or_is_below = |known: &&str| {
        path.strip_prefix(*known)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    !NO_PAGES.contains(&path.as_str()) && !NO_PAGES_BELOW.iter().any(is_or_is_below)
}

/// Returns the path that a browser asks for: without dot segments (URL Standard section 4.4), and without a slash at its end,
/// because the server redirects from there.
fn resolve(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/").trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_on_this_site_is_kept_with_its_query() {
        for asked in ["/account", "/", "/reports?year=2026&by=name", "/a/%2F%2Fevil.example"] {
            assert_eq!(Next::parse(asked).as_str(), asked);
        }
    }

    #[test]
    fn a_path_that_could_leave_the_site_becomes_the_default() {
        let long = format!("/{}", "a".repeat(2000));
        for asked in [
            "",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https:evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "evil.example",
            "@evil.example",
            "/\t/evil.example",
            "/\r\nSet-Cookie: a=b",
            "／／evil.example",
            "/é",
            " /account",
            &long,
        ] {
            assert!(Next::parse(asked).is_default(), "{asked:?}");
        }
    }

    #[test]
    fn a_path_to_a_sign_in_page_becomes_the_default() {
        for asked in ["/login?next=/login", "/login/", "/login/verify", "/signup", "/signup/?next=/signup"] {
            assert!(Next::parse(asked).is_default(), "{asked:?}");
        }
    }

    #[test]
    fn paths_that_are_not_pages_become_the_default() {
        for asked in [
            "/api/log_out",
            "/api",
            "/assets/pkg/latchkey.js",
            "/health/ready",
            "/.well-known/jwks.json",
            "/.well-known/change-password",
            "/revocations?after=0",
            "/revocations/stream",
            "/session/events",
            "/session/events/",
            "/token",
            "/me?x=y",
            "/openapi.json#a",
            "/account/../api/log_out",
            "/account/%2e%2E/./%2e/api/log_out",
            "/../me",
        ] {
            assert!(Next::parse(asked).is_default(), "{asked:?}");
        }
        for asked in [
            "/menu",
            "/tokens",
            "/session",
            "/me/photo",
            "/apis",
            "/sessions?after=x",
            "/nowhere/../account",
            "/docs",
        ] {
            assert_eq!(Next::parse(asked).as_str(), asked);
        }
    }
}
