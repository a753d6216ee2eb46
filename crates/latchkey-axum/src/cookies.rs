//! Builds and reads all cookies of Latchkey.

use axum_extra::extract::cookie::{Cookie, SameSite};
use cookie::time::Duration;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use latchkey_core::sessions::Tokens;

/// The cookies of Latchkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieKind {
    /// The access token.
    Access,
    /// The refresh token.
    Refresh,
    /// Marks a browser in which an account signed in before.
    Device,
    /// The messages of a form for the next page.
    Flash,
}

/// The suffix of each cookie name after the stem, in the order of [`CookieKind`].
pub const SUFFIXES: [&str; 4] = ["", "-refresh", "-device", "-flash"];

/// Builds and reads cookies for one public URL.
#[derive(Clone, Debug)]
pub struct Cookies {
    https: bool,
    /// In the order of [`CookieKind`]. Built once, not for each request.
    names: [String; 4],
}

impl Cookies {
    /// Every name contains `stem`, so that two apps on one host do not overwrite each other's cookies. On https every name has the
    /// prefix `__Host-`, so that no other host and no plain http page can set the cookie (RFC 6265bis section 4.1.3).
    pub fn new(stem: &str, https: bool) -> Self {
        let prefix = if https { "__Host-" } else { "" };
        Self {
            https,
            names: SUFFIXES.map(|suffix| format!("{prefix}{stem}{suffix}")),
        }
    }

    /// Returns the name of a cookie.
    pub fn name(&self, cookie: CookieKind) -> &str {
        &self.names[cookie as usize]
    }

    /// Returns the `Set-Cookie` header that sets a cookie for `max_age` seconds.
    ///
    /// # Panics
    /// If `value` cannot be part of a header. Values made by Latchkey contain only base64url and dots.
    pub fn set(&self, cookie: CookieKind, value: &str, max_age: i64) -> HeaderValue {
        let cookie = Cookie::build((self.name(cookie), value))
            .path("/")
            .max_age(Duration::seconds(max_age))
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.https);
        #[expect(clippy::expect_used, reason = "tokens are base64url")]
        HeaderValue::from_str(&cookie.to_string()).expect("a cookie of base64url")
    }

    /// Returns the `Set-Cookie` header that removes a cookie: the same attributes and `Max-Age=0`.
    pub fn clear(&self, cookie: CookieKind) -> HeaderValue {
        self.set(cookie, "", 0)
    }

    /// Returns the headers that set the session cookies, each for the life of its token.
    pub fn sign_in(&self, tokens: &Tokens) -> [HeaderValue; 2] {
        let claims = &tokens.access.claims;
        [
            self.set(CookieKind::Access, &tokens.access.jwt, claims.exp - claims.iat),
            self.set(CookieKind::Refresh, &tokens.refresh, tokens.refresh_life),
        ]
    }

    /// Returns the headers that remove the session cookies.
    pub fn sign_out(&self) -> [HeaderValue; 2] {
        [self.clear(CookieKind::Access), self.clear(CookieKind::Refresh)]
    }

    /// Returns whether a response sets or removes the session cookies.
    pub fn decides(&self, answer: &HeaderMap) -> bool {
        let name = self.name(CookieKind::Access).as_bytes();
        let mut set = answer.get_all(SET_COOKIE).into_iter();
        set.any(|cookie| cookie.as_bytes().strip_prefix(name).is_some_and(|rest| rest.first() == Some(&b'=')))
    }

    /// Returns whether a request contains a session cookie, valid or not, once or several times.
    pub fn are_there(&self, headers: &HeaderMap) -> bool {
        let names = [CookieKind::Access, CookieKind::Refresh].map(|cookie| self.name(cookie).as_bytes());
        pairs(headers).any(|(name, _)| names.contains(&name))
    }

    /// Reads a cookie from the raw headers, by the exact bytes of its name and without any decoding, because browsers let other hosts
    /// set a cookie named `%5F%5FHost-…`. If a name is present twice, both cookies are ignored, because nothing tells which one is
    /// ours.
    pub fn read<'h>(&self, headers: &'h HeaderMap, cookie: CookieKind) -> Option<&'h str> {
        let name = self.name(cookie).as_bytes();
        let mut found = pairs(headers).filter(|(key, _)| *key == name).map(|(_, value)| value);
        match (found.next(), found.next()) {
            (Some(value), None) if value.iter().all(u8::is_ascii_graphic) => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }
}

/// Returns the raw names and values of all cookies.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers
        .get_all(COOKIE)
        .into_iter()
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            Some((pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cookies: &Cookies, headers: &[&[u8]]) -> Option<String> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(COOKIE, HeaderValue::from_bytes(header).expect("a header"));
        }
        cookies.read(&map, CookieKind::Access).map(str::to_owned)
    }

    #[test]
    fn attributes_follow_the_public_url() {
        let set = Cookies::new("latchkey", true).set(CookieKind::Access, "a.b.c", 900);
        assert_eq!(set, "__Host-latchkey=a.b.c; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=900");
        let clear = Cookies::new("latchkey", false).clear(CookieKind::Access);
        assert_eq!(clear, "latchkey=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }

    #[test]
    fn a_cookie_is_found_among_others_in_any_header() {
        assert_eq!(
            read(&Cookies::new("latchkey", false), &[b"a=b; latchkey=x.y.z; c=d"]),
            Some("x.y.z".into())
        );
        assert_eq!(
            read(&Cookies::new("latchkey", false), &[b"a=\xff", b"latchkey=x"]),
            Some("x".into())
        );
    }

    #[test]
    fn a_cookie_sent_twice_is_ignored() {
        assert_eq!(read(&Cookies::new("latchkey", false), &[b"latchkey=x; latchkey=x"]), None);
        assert_eq!(read(&Cookies::new("latchkey", false), &[b"latchkey=x", b"latchkey=y"]), None);
    }

    #[test]
    fn a_cookie_is_read_only_under_its_exact_name() {
        for header in [
            b"%5F%5FHost-latchkey=x".as_slice(),
            b"__host-latchkey=x",
            b"latchkey=x",
            b"__Host-latchkey-flash=x",
            b"=__Host-latchkey=x",
            b"__Host-latchkey",
        ] {
            assert_eq!(read(&Cookies::new("latchkey", true), &[header]), None, "{header:?}");
        }
        assert_eq!(read(&Cookies::new("latchkey", true), &[b"__Host-latchkey=x"]), Some("x".into()));
    }

    #[test]
    fn a_cookie_value_with_invalid_characters_is_ignored() {
        assert_eq!(read(&Cookies::new("latchkey", false), &[b"latchkey=a b"]), None);
        assert_eq!(read(&Cookies::new("latchkey", false), &[b"latchkey=\xff"]), None);
    }

    #[test]
    fn every_cookie_name_begins_with_the_stem() {
        let cookies = Cookies::new("my-app", true);
        let names =
            [CookieKind::Access, CookieKind::Refresh, CookieKind::Device, CookieKind::Flash].map(|cookie| cookies.name(cookie).to_owned());
        assert_eq!(
            names,
            [
                "__Host-my-app",
                "__Host-my-app-refresh",
                "__Host-my-app-device",
                "__Host-my-app-flash"
            ]
        );
    }
}
