//! The address that people use.

use std::fmt;
use std::net::Ipv4Addr;

use url::{Host, Url};

/// The public URL: an origin (RFC 6454), written as browsers write it in `Origin`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    authority: String,
    https: bool,
    /// On a machine's own loopback: other names of it are as good.
    loopback_port: Option<u16>,
}

impl PublicUrl {
    /// Parses the setting. Plain http is for loopback, unless it is allowed anywhere. The error is the end of a sentence that
    /// begins with the setting's name.
    pub(super) fn parse(text: &str, plain_anywhere: bool) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| format!("\"{text}\" is not a URL such as https://example.org"))?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(format!("\"{text}\" begins neither with https:// nor with http://")),
        };
        let bare =
            url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        let (true, Some(host)) = (bare, url.host()) else {
            return Err(format!("\"{text}\" has more than a scheme, a host and a port"));
        };
        let loopback = match host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        if !https && !loopback && !plain_anywhere {
            return Err(format!(
                "{text} is not https: passwords would cross the network in the open; plain http is for localhost only, unless LATCHKEY_PLAIN_HTTP=anywhere"
            ));
        }
        let authority = url.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}"));
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            authority,
            https,
            loopback_port: if loopback { url.port_or_known_default() } else { None },
        })
    }

    /// `https://example.org`: the issuer of tokens and the only `Origin` that may post.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// `example.org`: the name without the port.
    pub fn host(&self) -> &str {
        let port = self.authority.rfind(':').filter(|colon| !self.authority[*colon..].contains(']'));
        &self.authority[..port.unwrap_or(self.authority.len())]
    }

    /// Whether people come by https, so that cookies are `Secure`.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Whether a `Host` header is this one. `example.org` and `example.org:443` are the same on https.
    pub fn is_host(&self, host: &str) -> bool {
        let default_port = if self.https { ":443" } else { ":80" };
        let without = |host: &str| host.strip_suffix(default_port).unwrap_or(host).to_ascii_lowercase();
        without(host) == without(&self.authority)
    }

    /// Whether a `Host` header is another name of the same loopback address, such as 127.0.0.1 for localhost.
    pub fn is_loopback_alias(&self, host: &str) -> bool {
        self.loopback_port.is_some_and(|port| {
            let names = ["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string(), "[::1]".to_owned()];
            names
                .iter()
                .any(|name| host.eq_ignore_ascii_case(&format!("{name}:{port}")) || (port == 80 && host.eq_ignore_ascii_case(name)))
        })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        for (text, origin) in [
            ("https://Example.org/", "https://example.org"),
            ("https://example.org:443", "https://example.org"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(PublicUrl::parse(text, false).expect(text).origin(), origin);
        }
        for (text, host) in [
            ("https://Example.org:8443", "example.org"),
            ("https://example.org", "example.org"),
            ("http://[::1]:3000", "[::1]"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(PublicUrl::parse(text, false).expect(text).host(), host);
        }
    }

    #[test]
    fn anything_more_than_an_origin_is_refused() {
        for text in [
            "",
            "example.org",
            "ftp://example.org",
            "https://example.org/app",
            "https://a@example.org",
            "https://example.org/?a",
            "http://example.org",
        ] {
            assert!(PublicUrl::parse(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn only_its_own_host_is_its_host() {
        let url = PublicUrl::parse("https://example.org", false).expect("good");
        assert!(url.is_host("example.org") && url.is_host("EXAMPLE.org:443"));
        for host in [
            "",
            "evil.example",
            "example.org.evil.example",
            "example.org:80",
            "example.org.",
            "a@example.org",
        ] {
            assert!(!url.is_host(host) && !url.is_loopback_alias(host), "{host}");
        }
        let local = PublicUrl::parse("http://localhost:3000", false).expect("good");
        assert!(
            local.is_loopback_alias("127.0.0.1:3000") && !local.is_loopback_alias("127.0.0.1:3001") && !local.is_host("127.0.0.1:3000")
        );
    }
}
