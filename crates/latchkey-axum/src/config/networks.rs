//! The networks of trusted proxies.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

/// IPv6 networks that no stranger on the internet has an address in: unique local and link-local addresses.
const PRIVATE: [Ipv6Net; 2] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
];

/// Reads networks, or single addresses, with commas between them. The error is the end of a sentence that begins with the
/// setting's name.
pub fn parse(text: &str) -> Result<Vec<IpNet>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(network).collect()
}

fn network(part: &str) -> Result<IpNet, String> {
    let network = part.parse::<IpNet>().ok().or_else(|| part.parse::<IpAddr>().ok().map(IpNet::from));
    let network = network.ok_or_else(|| format!("\"{part}\" is not a network, such as 10.0.0.0/8, nor an address"))?;
    if is_too_wide(&network) {
        return Err(format!(
            "{part} is too wide: whoever is in it chooses the address that is counted and shown; name the networks of the proxies, an IPv4 network of /8 or narrower, an IPv6 network of /16 or narrower"
        ));
    }
    Ok(network)
}

fn is_too_wide(network: &IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.prefix_len() < 8,
        IpNet::V6(network) => network.prefix_len() < 16 && !PRIVATE.iter().any(|private| private.contains(network)),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn networks_and_addresses_are_read() {
        let networks = parse("127.0.0.1, 10.0.0.0/8,::1,fc00::/7,fd00::/8,fe80::/10,2001::/16").expect("good");
        assert_eq!(networks.len(), 7);
        assert_eq!(parse(" , "), Ok(Vec::new()));
    }

    #[test]
    fn networks_that_hold_strangers_are_refused() {
        for text in [
            "0.0.0.0/0",
            "0.0.0.0/7",
            "10.0.0.1,128.0.0.0/1",
            "::/0",
            "2000::/3",
            "fc00::/6",
            "fe80::/9",
            "10.0.0.0/33",
            "proxy",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
