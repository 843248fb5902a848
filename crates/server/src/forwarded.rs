//! The client's address behind proxies.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the peer's, or, when the peer is a trusted proxy, the rightmost entry of
/// `X-Forwarded-For` that is none. What stands left of that was written by the client itself.
pub(crate) fn client(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    if !is_trusted(peer, trusted) {
        return Some(peer);
    }
    let mut nearest = peer;
    for value in headers.get_all(&FORWARDED_FOR).iter().rev() {
        // A header that is no text is where trust ends: what a proxy wrote is text.
        let Ok(text) = value.to_str() else { return Some(nearest) };
        for entry in text.rsplit(',') {
            let Some(address) = address(entry.trim()) else { return Some(nearest) };
            nearest = address;
            if !is_trusted(nearest, trusted) {
                return Some(nearest);
            }
        }
    }
    Some(nearest)
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// An address, perhaps with a port, perhaps in brackets.
fn address(entry: &str) -> Option<IpAddr> {
    let bare =
        entry.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(inner, _)| inner);
    bare.unwrap_or(entry)
        .parse::<IpAddr>()
        .ok()
        .or_else(|| entry.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn trusted() -> Vec<IpNet> {
        vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]
    }

    fn from(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        client(Some(peer.parse().unwrap()), &headers, &trusted()).unwrap().to_string()
    }

    #[test]
    fn only_a_trusted_peer_is_believed() {
        let table: &[(&str, &[&str], &str)] = &[
            ("203.0.113.9", &["1.2.3.4"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["6.6.6.6", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["6.6.6.6, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
        ];
        for (peer, lines, want) in table {
            assert_eq!(from(peer, lines), *want, "{peer} {lines:?}");
        }
    }

    proptest! {
        /// Whatever a client writes to the left, the address its proxy saw is the answer.
        #[test]
        fn a_client_cannot_choose_its_address(forged in "[ -~]{0,60}", proxies in 0_usize..3) {
            let mut line = format!("{forged}, 198.51.100.7");
            for proxy in 0..proxies {
                line += &format!(", 10.1.1.{proxy}");
            }
            prop_assert_eq!(from("10.0.0.1", &[&line]), "198.51.100.7");
        }

        #[test]
        fn any_header_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let headers = HeaderMap::from_iter([(FORWARDED_FOR, value)]);
                let peer: IpAddr = "10.0.0.1".parse().unwrap();
                prop_assert!(client(Some(peer), &headers, &trusted()).is_some());
            }
        }
    }
}
