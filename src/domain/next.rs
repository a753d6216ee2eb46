//! Where to go after signing in.

use std::fmt;

/// Longest path kept.
const MAX: usize = 1024;

/// A path on this site. Whatever else is asked for becomes [`Next::default`], the dashboard (ASVS 10.4.1 in spirit:
/// a redirect never leaves the site).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next(String);

impl Next {
    /// Takes a path that begins with one slash and holds visible ASCII only; browsers read `\` as `/` and
    /// drop tabs and line breaks, so those count as attempts to leave.
    pub fn parse(asked: &str) -> Self {
        let path = asked.as_bytes();
        let on_this_site = path.first() == Some(&b'/')
            && path.get(1) != Some(&b'/')
            && path.len() <= MAX
            && path.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\');
        if on_this_site && !leads_to_sign_in(asked) {
            Self(asked.to_owned())
        } else {
            Self::default()
        }
    }

    /// The path, with its query.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is where one goes anyway, so that links need not carry it.
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

/// The sign-in pages themselves, and anything that is not a page: coming back to them would go round in circles.
fn leads_to_sign_in(path: &str) -> bool {
    let page = path.split(['?', '#']).next().unwrap_or_default();
    matches!(page, "/login" | "/signup") || page.starts_with("/api/")
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
    fn anything_that_could_leave_the_site_is_not_followed() {
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
    fn signing_in_never_leads_back_to_signing_in() {
        assert!(Next::parse("/login?next=/login").is_default());
        assert!(Next::parse("/api/log_out").is_default());
    }
}
