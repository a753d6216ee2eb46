//! Determines the client's IP address, which rate limits use and which is shown to users.

use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap};
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Makes the warning appear only once in the life of the process.
static IGNORED: Once = Once::new();

/// Returns the client's address.
///
/// `X-Forwarded-For` counts only if the peer is a trusted proxy. It is read from its end: trusted proxies are skipped, and the first
/// address that is no trusted proxy is the client. A malformed entry ends the reading, and the address read last counts.
pub fn address(trusted: &[IpNet], headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
    let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.ip().to_canonical();
    if !is_trusted(&address) {
        if !IGNORED.is_completed() && headers.contains_key(FORWARDED_FOR) {
            IGNORED.call_once(|| warn_of_ignored_header(address));
        }
        return Some(address);
    }
    let mut forwarded = headers.get_all(FORWARDED_FOR).into_iter().rev().flat_map(|header| {
        let text = header.to_str().unwrap_or_default();
        text.rsplit(',')
    });
    while is_trusted(&address) {
        match forwarded.next().and_then(parse) {
            Some(before) => address = before,
            None => break,
        }
    }
    Some(address)
}

fn warn_of_ignored_header(peer: IpAddr) {
    tracing::warn!(
        %peer,
        "X-Forwarded-For is ignored, because this peer is not a trusted proxy. All its clients share one address and its limits. \
         If the peer is your proxy, add its address to LATCHKEY_TRUSTED_PROXIES. Otherwise, nothing needs to be done."
    );
}

/// Parses an address as proxies write it: alone, with a port, or in brackets.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let alone = || text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    alone().or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, trusted: &[&str], forwarded: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().expect("a network")).collect();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(
                "x-forwarded-for",
                http::HeaderValue::from_bytes(value.as_bytes()).expect("a header"),
            );
        }
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().expect("an address"), 4000)));
        address(&trusted, &headers, &extensions).expect("an address").to_string()
    }

    #[test]
    fn a_forwarded_header_from_an_untrusted_peer_is_ignored() {
        assert_eq!(seen("192.0.2.1", &[], &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(seen("192.0.2.1", &["127.0.0.0/8"], &["198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn the_client_is_the_last_forwarded_address_that_is_no_trusted_proxy() {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8"];
        assert_eq!(seen("127.0.0.1", &trusted, &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            seen("127.0.0.1", &trusted, &["1.1.1.1, 198.51.100.7"]),
            "198.51.100.7",
            "the client itself can write the first address"
        );
        assert_eq!(seen("127.0.0.1", &trusted, &["1.1.1.1, 198.51.100.7, 10.0.0.3"]), "198.51.100.7");
        assert_eq!(
            seen("127.0.0.1", &trusted, &["1.1.1.1", "198.51.100.7", "10.0.0.3"]),
            "198.51.100.7",
            "several headers count as one list"
        );
        assert_eq!(seen("::ffff:127.0.0.1", &trusted, &["[2001:db8::7]:443"]), "2001:db8::7");
        assert_eq!(seen("127.0.0.1", &trusted, &["198.51.100.7:1234"]), "198.51.100.7");
    }

    #[test]
    fn a_malformed_forwarded_header_leaves_the_last_trusted_address() {
        let trusted = ["127.0.0.0/8"];
        for forwarded in ["a", "", "unknown", "1.1.1.1, a", "é", "1.1.1.1, ", "999.1.1.1"] {
            assert_eq!(seen("127.0.0.1", &trusted, &[forwarded]), "127.0.0.1", "{forwarded}");
        }
        assert_eq!(seen("127.0.0.1", &trusted, &[]), "127.0.0.1");
        let many = vec!["127.0.0.1"; 1000].join(", ");
        assert_eq!(seen("127.0.0.1", &trusted, &[&many]), "127.0.0.1");
    }
}
