//! Where in a forwarded request the client's key may stand.

use std::borrow::Cow;
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// The client's address and query, as gateways pass them on: Traefik and Caddy, nginx, and
/// ingress-nginx.
const ORIGINALS: [HeaderName; 3] = [
    HeaderName::from_static("x-forwarded-uri"),
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-original-url"),
];

/// A header in which clients send their key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHeader(HeaderName);

impl Default for KeyHeader {
    /// `X-API-Key`
    fn default() -> KeyHeader {
        KeyHeader(HeaderName::from_static("x-api-key"))
    }
}

impl FromStr for KeyHeader {
    type Err = String;

    /// Refuses names under which something else is sent.
    fn from_str(text: &str) -> Result<KeyHeader, String> {
        let name: HeaderName =
            text.parse().map_err(|_| "must be the name of a header, as X-API-Key".to_owned())?;
        let lower = name.as_str();
        let taken = TAKEN.contains(&lower)
            || TAKEN_BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning));
        if taken { Err(format!("{text} means something else")) } else { Ok(KeyHeader(name)) }
    }
}

/// Names that HTTP or a gateway gives another meaning. `Authorization` is looked at anyway.
const TAKEN: &[&str] = &[
    "accept",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "proxy-authorization",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-real-ip",
    "x-request-id",
];
const TAKEN_BEGINNINGS: &[&str] = &["x-forwarded-", "x-key-", "x-keyledger-", "x-original-"];

pub(super) enum Presented<'a> {
    None,
    One(Cow<'a, str>),
    Several,
}

/// The client's key, from wherever it may stand: the headers `named`, the query of the client's
/// request, `Authorization`. A bearer that is no key counts only when nothing else was sent: it may
/// be the client's token for the service behind.
pub(super) fn presented<'a>(
    headers: &'a HeaderMap,
    named: &[KeyHeader],
    forwarded_query: Option<&'a str>,
) -> Presented<'a> {
    let text = |value: &HeaderValue| {
        // What is no text is no key, and must not pass for "no key was sent".
        String::from_utf8_lossy(value.as_bytes()).trim().to_owned()
    };
    let mut found: Vec<Cow<'_, str>> = Vec::new();
    for KeyHeader(name) in named {
        found.extend(headers.get_all(name).iter().map(|value| Cow::Owned(text(value))));
    }
    found.extend(forwarded_query.into_iter().flat_map(keys_in_query));
    for original in ORIGINALS {
        for value in headers.get_all(original) {
            let uri = String::from_utf8_lossy(value.as_bytes());
            let Some((_, after)) = uri.split_once('?') else { continue };
            found.extend(keys_in_query(after.split('#').next().unwrap_or_default()));
        }
    }
    let bearers = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
        let text = text(value);
        let (scheme, rest) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim().to_owned())
    });
    let (keys, others): (Vec<_>, Vec<_>) = bearers.partition(|text| keys::looks_like_key(text));
    found.extend(keys.into_iter().map(Cow::Owned));
    if found.is_empty() {
        found.extend(others.into_iter().map(Cow::Owned));
    }
    let mut found = found.into_iter();
    match found.next() {
        None => Presented::None,
        Some(first) if found.all(|other| other == first) => Presented::One(first),
        Some(_) => Presented::Several,
    }
}

/// What the parameters `api_key` of a query hold.
fn keys_in_query(query: &str) -> impl Iterator<Item = Cow<'static, str>> {
    form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "api_key")
        .map(|(_, value)| Cow::Owned(value.into_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "kl_live_000000000000000000000000000000";
    const OTHER: &str = "kl_live_111111111111111111111111111111";

    fn sent(headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a lawful value");
            map.append(HeaderName::from_static(name), value);
        }
        match presented(&map, &[KeyHeader::default()], None) {
            Presented::None => "none".to_owned(),
            Presented::One(key) => key.into_owned(),
            Presented::Several => "several".to_owned(),
        }
    }

    #[test]
    fn a_key_may_stand_in_several_places_but_only_one_key() {
        let bearer = format!("bearer  {KEY}");
        let uri = format!("/a?x=1&api_key={KEY}#api_key={OTHER}");
        let url = format!("https://api.example.com{uri}");
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[], "none"),
            (&[("x-api-key", KEY)], KEY),
            (&[("authorization", &bearer)], KEY),
            (&[("x-forwarded-uri", &uri)], KEY),
            (&[("x-original-uri", &uri), ("x-api-key", KEY), ("authorization", &bearer)], KEY),
            (&[("x-original-uri", &uri), ("x-api-key", OTHER)], "several"),
            (&[("x-original-url", &url)], KEY),
            (&[("x-original-url", &url), ("x-api-key", OTHER)], "several"),
            (&[("x-api-key", KEY), ("x-api-key", OTHER)], "several"),
            (&[("x-api-key", ""), ("authorization", &bearer)], "several"),
            (&[("x-forwarded-uri", "/a?api_key=%6b%6c")], "kl"),
            (&[("x-forwarded-uri", "/a?API_KEY=kl&xapi_key=kl")], "none"),
            (&[("x-forwarded-uri", "/api_key=kl")], "none"),
            // The client's token for the service behind is no key, unless there is nothing else.
            (&[("authorization", "Bearer eyJ.eyJ.x"), ("x-api-key", KEY)], KEY),
            (&[("authorization", "Bearer eyJ.eyJ.x")], "eyJ.eyJ.x"),
            (&[("authorization", "Basic YTpi")], "none"),
        ];
        for (headers, want) in table {
            assert_eq!(sent(headers), *want, "{headers:?}");
        }
    }

    #[test]
    fn the_query_of_a_forwarded_path_is_looked_at() {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("x-api-key"),
            HeaderValue::from_static(OTHER),
        )]);
        let query = format!("x=1&api_key={KEY}");
        let found = |headers, query| presented(headers, &[KeyHeader::default()], query);
        let none = HeaderMap::new();
        assert!(matches!(found(&none, Some(&query)), Presented::One(key) if key == KEY));
        assert!(matches!(found(&headers, Some(&query)), Presented::Several));
        assert!(matches!(found(&none, Some("x=1")), Presented::None));
    }

    #[test]
    fn another_header_may_hold_the_key() {
        let own: KeyHeader = "X-Acme-Key".parse().unwrap();
        let headers = HeaderMap::from_iter([
            (HeaderName::from_static("x-acme-key"), HeaderValue::from_static(KEY)),
            (HeaderName::from_static("x-api-key"), HeaderValue::from_static(OTHER)),
        ]);
        let found = |named: &[KeyHeader]| match presented(&headers, named, None) {
            Presented::One(key) => key.into_owned(),
            Presented::None | Presented::Several => String::new(),
        };
        assert_eq!(found(std::slice::from_ref(&own)), KEY);
        assert_eq!(found(&[KeyHeader::default()]), OTHER);
        assert_eq!(found(&[own, KeyHeader::default()]), "");
        for taken in ["Authorization", "X-Key-Id", "x-keyledger-token", "Host", "X-Forwarded-For"] {
            assert!(taken.parse::<KeyHeader>().is_err(), "{taken}");
        }
        for no_name in ["", "a b", "é", "a:"] {
            assert!(no_name.parse::<KeyHeader>().is_err(), "{no_name}");
        }
    }

    proptest! {
        /// Whatever stands around it in the address, the key in it is found, and a second one too.
        #[test]
        fn a_key_in_an_address_is_found(
            before in "[ -\"$-~]{0,30}",
            after in "[ -~]{0,30}",
            original: bool,
        ) {
            let name = if original { "x-original-uri" } else { "x-forwarded-uri" };
            // What stands before may open the query itself, or not.
            let before = before.replace("api_key", "key");
            let uri = format!("/{before}?&api_key={KEY}&{}", after.replace("api_key", "key"));
            prop_assert_eq!(sent(&[(name, &uri)]), KEY);
            let two = format!("{uri}&x=y");
            prop_assert_eq!(sent(&[(name, &two), ("x-api-key", OTHER)]), "several");
        }

        #[test]
        fn any_headers_are_read(
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 4),
        ) {
            let names = ["x-forwarded-uri", "x-original-uri", "x-api-key", "authorization"];
            let mut map = HeaderMap::new();
            for (name, bytes) in names.into_iter().zip(&values) {
                if let Ok(value) = HeaderValue::from_bytes(bytes) {
                    map.append(HeaderName::from_static(name), value);
                }
            }
            // A key that was sent is never passed over as if none was.
            let found = presented(&map, &[KeyHeader::default()], None);
            let none = matches!(found, Presented::None);
            prop_assert!(!(none && map.contains_key("x-api-key")));
        }
    }
}
