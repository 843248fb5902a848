//! Where messages go: a URL that was checked.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

/// The longest URL, in characters.
const MAX_LENGTH: usize = 2048;

/// A URL that messages can be posted to: `http` or `https`, a host, no user name, no fragment.
///
/// It is normalised (WHATWG URL): `http://0x7f.1` names 127.0.0.1.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
}

/// Why a text is no [`Target`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// It is no URL, or too long.
    #[error("must be a URL of at most 2048 characters")]
    NoUrl,
    /// It is of another scheme.
    #[error("must begin with https:// or http://")]
    Scheme,
    /// It has a user name or a password, which would be shown wherever the URL is.
    #[error("must have no user name and no password")]
    Credentials,
    /// It has a fragment, which is never sent.
    #[error("must have no fragment (#)")]
    Fragment,
    /// It is `http`, and the operator named no network for that.
    #[error("must begin with https://")]
    NotHttps,
    /// It names an address that may not be connected to.
    #[error("is at an address that is not allowed")]
    NotAllowed,
}

impl Target {
    /// Whether it is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The address, if its host is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// The host without brackets.
    pub(crate) fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// The `Host` header: without the scheme's own port.
    pub(crate) fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// What the request line names.
    pub(crate) fn path_and_query(&self) -> String {
        let query = self.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", self.url.path())
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Target, InvalidTarget> {
        // A parser of URLs drops line breaks and blanks around it without a word.
        let plain = text.bytes().all(|byte| byte > b' ' && byte != 0x7F);
        if text.len() > MAX_LENGTH || !plain {
            return Err(InvalidTarget::NoUrl);
        }
        let url = Url::parse(text).map_err(|_| InvalidTarget::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidTarget::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidTarget::Credentials);
        }
        if url.fragment().is_some() {
            return Err(InvalidTarget::Fragment);
        }
        if url.host_str().is_none_or(str::is_empty) || url.as_str().len() > MAX_LENGTH {
            return Err(InvalidTarget::NoUrl);
        }
        Ok(Target { url })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

/// Without path and query, which may be a secret of the receiver's: for logs.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_target_is_a_url_that_can_be_posted_to() {
        let table: &[(&str, Result<&str, InvalidTarget>)] = &[
            ("https://hooks.example.com/a?b=c", Ok("https://hooks.example.com/a?b=c")),
            ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080/")),
            ("http://0x7f.1/", Ok("http://127.0.0.1/")),
            ("https://[::1]:8443/x", Ok("https://[::1]:8443/x")),
            ("https://bücher.example/", Ok("https://xn--bcher-kva.example/")),
            ("https://a.example:443/", Ok("https://a.example/")),
            ("ftp://a.example/", Err(InvalidTarget::Scheme)),
            ("file:///etc/passwd", Err(InvalidTarget::Scheme)),
            ("https://ann@a.example/", Err(InvalidTarget::Credentials)),
            ("https://:pw@a.example/", Err(InvalidTarget::Credentials)),
            ("https://a.example/#x", Err(InvalidTarget::Fragment)),
            ("https:///", Err(InvalidTarget::NoUrl)),
            ("https://a.example/ b", Err(InvalidTarget::NoUrl)),
            ("https://a.example/\nb", Err(InvalidTarget::NoUrl)),
            ("hooks.example.com", Err(InvalidTarget::NoUrl)),
            ("", Err(InvalidTarget::NoUrl)),
        ];
        for (text, expected) in table {
            let read = text.parse::<Target>().map(|target| target.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        }
        let long = format!("https://a.example/{}", "x".repeat(MAX_LENGTH));
        assert_eq!(long.parse::<Target>(), Err(InvalidTarget::NoUrl));
    }

    #[test]
    fn a_log_shows_no_path() {
        let target: Target = "https://a.example:8443/secret?token=x".parse().unwrap();
        assert_eq!(format!("{target:?}"), "https://a.example:8443");
        assert_eq!(target.path_and_query(), "/secret?token=x");
        assert_eq!((target.host(), target.port()), ("a.example", 8443));
        let v6: Target = "http://[fe80::1]/".parse().unwrap();
        assert_eq!((v6.host(), v6.port(), v6.authority()), ("fe80::1", 80, "[fe80::1]".into()));
        assert_eq!(v6.address(), Some("fe80::1".parse().unwrap()));
    }

    proptest! {
        /// What is shown is read again as the same; nothing in it can end a header's line.
        #[test]
        fn any_text_is_a_target_or_refused(text in "(https?://)?[a-z0-9.@:/\\[\\]#?%é -]{0,40}|\\PC{0,40}") {
            if let Ok(target) = text.parse::<Target>() {
                prop_assert_eq!(target.to_string().parse(), Ok(target.clone()));
                let sent = format!("{}{}", target.authority(), target.path_and_query());
                prop_assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()), "{}", sent);
            }
        }
    }
}
