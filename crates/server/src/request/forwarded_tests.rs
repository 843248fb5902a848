//! Who a client is, by what proxies wrote: the table, and what nobody can write.

use axum::http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn trusted() -> Vec<IpNet> {
    vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]
}

fn lines(name: &HeaderName, lines: &[&str]) -> HeaderMap {
    let values = lines.iter().map(|line| HeaderValue::from_bytes(line.as_bytes()).unwrap());
    values.map(|value| (name.clone(), value)).collect()
}

fn seen(peer: &str, headers: &HeaderMap, header: Option<ForwardedHeader>) -> String {
    let client = client(Some(peer.parse().unwrap()), headers, &trusted(), header);
    client.map_or("unknown".to_owned(), |client| client.to_string())
}

#[test]
fn only_a_trusted_peer_is_believed() {
    let table: &[(&str, &[&str], &str)] = &[
        ("203.0.113.9", &["1.2.3.4"], "203.0.113.9"),
        ("203.0.113.9", &["unknown"], "203.0.113.9"),
        ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", &["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", &["6.6.6.6, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", &["6.6.6.6", "198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", &["unknown, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", &["é, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
        ("::1", &["[2001:db8::1]:443"], "2001:db8::1"),
        ("::1", &["[2001:db8::1]"], "2001:db8::1"),
        ("::ffff:10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
        ("::ffff:10.0.0.1", &["198.51.100.7, ::ffff:10.0.0.2"], "198.51.100.7"),
    ];
    for (peer, sent, want) in table {
        let headers = lines(&X_FORWARDED_FOR, sent);
        assert_eq!(seen(peer, &headers, None), *want, "{peer} {sent:?}");
    }
}

/// It used to be the address of the proxy itself, and an allow-list with the proxy's network in it
/// was then good for every client that the proxy could not name.
#[test]
fn an_address_that_cannot_be_read_is_unknown() {
    let many = ["10.0.0.2"; MAX_HOPS + 1].join(",");
    let sent = [
        "",
        " ",
        ",",
        "unknown",
        "_hidden",
        "10.0.0.2,",
        "198.51.100.7, unknown",
        "fe80::1%eth0",
        "198.51.100.7, fe80::1%eth0",
        "[fe80::1%3]:80",
        "[2001:db8::1",
        "[2001:db8::1]x",
        "[2001:db8::1]:",
        "[198.51.100.7]",
        "198.51.100.7:",
        "198.51.100.7:99999",
        "198.51.100.7:+1",
        "198.51.100.7:8x",
        "198.51.100",
        "198.51.100.07",
        "0x7f.1",
        "unix:",
        "unix:/run/x.sock",
        "localhost",
        "é",
        "198.51.100.7 10.0.0.2",
        "\"198.51.100.7\"",
        "198.51.100.7, unknown, 10.0.0.2",
        &many,
    ];
    for sent in sent {
        let headers = lines(&X_FORWARDED_FOR, &[sent]);
        assert_eq!(seen("10.0.0.1", &headers, None), "unknown", "{sent:?}");
    }
    // A proxy that names nobody at all is not its own client.
    assert_eq!(seen("10.0.0.1", &HeaderMap::new(), None), "unknown");
}

#[test]
fn the_standard_header_is_read_as_its_rfc_has_it() {
    let table: &[(&[&str], &str)] = &[
        (&["for=198.51.100.7"], "198.51.100.7"),
        (&["For=198.51.100.7;proto=https;by=10.0.0.1"], "198.51.100.7"),
        (&["by=10.0.0.1; for=198.51.100.7 ;;proto=https"], "198.51.100.7"),
        (&[r#"for="198.51.100.7:4711""#], "198.51.100.7"),
        (&[r#"for="198.51.100.7:_port""#], "198.51.100.7"),
        (&[r#"for="[2001:db8::1]""#], "2001:db8::1"),
        (&[r#"for="[2001:db8::1]:443""#], "2001:db8::1"),
        (&[r#"for="[::ffff:198.51.100.7]""#], "198.51.100.7"),
        (&["for=6.6.6.6, for=198.51.100.7, for=10.0.0.2"], "198.51.100.7"),
        (&["for=6.6.6.6", "for=198.51.100.7", "for=10.0.0.2"], "198.51.100.7"),
        (&[r#"for=198.51.100.7;host="a,b;for=6.6.6.6""#], "198.51.100.7"),
        (&[r#"for=198.51.100.7;host="a\",for=6.6.6.6""#], "198.51.100.7"),
        // A quote that the client left open swallows nothing of what the proxy wrote.
        (&[r#"for="6.6.6.6, for=198.51.100.7"#], "198.51.100.7"),
        (&[r#"x="\, for="198.51.100.7""#], "198.51.100.7"),
        (&[r#"for=6.6.6.6, x=", for="[2001:db8::1]""#], "2001:db8::1"),
        // What names nobody, or nobody for certain.
        (&[""], "unknown"),
        (&["for=unknown"], "unknown"),
        (&["for=_hidden"], "unknown"),
        (&["for="], "unknown"),
        (&[r#"for="""#], "unknown"),
        (&["for=198.51.100.7,"], "unknown"),
        (&["proto=https;by=198.51.100.7"], "unknown"),
        (&["198.51.100.7"], "unknown"),
        (&["for=198.51.100.7;for=198.51.100.8"], "unknown"),
        (&["for=2001:db8::1"], "unknown"),
        (&[r#"for="2001:db8::1""#], "unknown"),
        (&[r#"for="[fe80::1%eth0]""#], "unknown"),
        (&[r#"for="198.51.100.7"#], "unknown"),
        (&[r#"for="unix:/run/x""#], "unknown"),
        (&["for=198.51.100.7, for=unknown, for=10.0.0.2"], "unknown"),
    ];
    for (sent, want) in table {
        let headers = lines(&header::FORWARDED, sent);
        assert_eq!(seen("10.0.0.1", &headers, None), *want, "{sent:?}");
        assert_eq!(seen("203.0.113.9", &headers, None), "203.0.113.9", "{sent:?}");
    }
}

/// A proxy writes one of the two headers and passes on what the client sent under the other name.
#[test]
fn two_headers_that_differ_name_nobody() {
    let both = |x: &str, standard: &str| {
        let mut headers = lines(&X_FORWARDED_FOR, &[x]);
        headers.extend(lines(&header::FORWARDED, &[standard]));
        headers
    };
    let agree = both("198.51.100.7", "for=198.51.100.7");
    let differ = both("198.51.100.7", "for=6.6.6.6");
    let unread = both("198.51.100.7", "for=unknown");
    let x = Some(ForwardedHeader::XForwardedFor);
    let standard = Some(ForwardedHeader::Forwarded);
    for (headers, header, want) in [
        (&agree, None, "198.51.100.7"),
        (&differ, None, "unknown"),
        (&unread, None, "unknown"),
        (&differ, x, "198.51.100.7"),
        (&unread, x, "198.51.100.7"),
        (&differ, standard, "6.6.6.6"),
        (&unread, standard, "unknown"),
        (&lines(&header::FORWARDED, &["for=6.6.6.6"]), x, "unknown"),
    ] {
        assert_eq!(seen("10.0.0.1", headers, header), want, "{headers:?} {header:?}");
    }
}

proptest! {
    /// Whatever a client writes to the left, the address its proxy saw is the answer.
    #[test]
    fn a_client_cannot_choose_its_address(
        forged in proptest::collection::vec(0x20_u8..=0xFF, 0..60),
        proxies in 0_usize..3,
        standard: bool,
    ) {
        let (name, prefix) =
            if standard { (header::FORWARDED, "for=") } else { (X_FORWARDED_FOR, "") };
        let mut line = forged;
        line.extend(format!(", {prefix}198.51.100.7").into_bytes());
        for proxy in 0..proxies {
            line.extend(format!(",{prefix}10.1.1.{proxy}").into_bytes());
        }
        if let Ok(value) = HeaderValue::from_bytes(&line) {
            let headers = HeaderMap::from_iter([(name, value)]);
            prop_assert_eq!(seen("10.0.0.1", &headers, None), "198.51.100.7");
        }
    }

    /// Nor does any header give the address of the proxy that sent it.
    #[test]
    fn any_header_is_read(
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
        line in "(for=|[\";,=]|198\\.51\\.100\\.7|\\[::1\\]|unknown|:1| ){0,12}",
    ) {
        for name in [X_FORWARDED_FOR, header::FORWARDED] {
            for bytes in [&bytes[..], line.as_bytes()] {
                if let Ok(value) = HeaderValue::from_bytes(bytes) {
                    let headers = HeaderMap::from_iter([(name.clone(), value)]);
                    prop_assert_ne!(seen("10.0.0.1", &headers, None), "10.0.0.1");
                }
            }
        }
    }
}
