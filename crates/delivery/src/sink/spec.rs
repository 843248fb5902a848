//! Where a sink is, and in which format: the value of an option.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::{Host, Url};

use crate::target::Target;

/// The port of syslog over TLS (RFC 5425 §4.1).
const SYSLOG_PORT: u16 = 6514;

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkFormat {
    /// JSON, as webhooks send it.
    Ndjson,
    /// Open Cybersecurity Schema Framework.
    Ocsf,
    /// Common Event Format.
    Cef,
}

impl SinkFormat {
    /// Every format.
    pub const ALL: &[SinkFormat] = &[SinkFormat::Ndjson, SinkFormat::Ocsf, SinkFormat::Cef];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SinkFormat::Ndjson => "ndjson",
            SinkFormat::Ocsf => "ocsf",
            SinkFormat::Cef => "cef",
        }
    }
}

/// Where a sink is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SinkTarget {
    /// A file.
    File(PathBuf),
    /// A syslog server.
    Syslog {
        /// Its name or address, without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A URL.
    Https(Target),
}

/// Where a sink is, and in which format: `file:PATH`, `syslog+tls://HOST[:PORT]` or `https://…`, and
/// `?format=`, which is `ndjson` if it is missing and is not sent on.
///
/// ```
/// use delivery::{SinkFormat, SinkSpec};
///
/// let sink: SinkSpec = "syslog+tls://siem.example.com?format=cef".parse()?;
/// assert_eq!(sink.format, SinkFormat::Cef);
/// assert_eq!(sink.name(), "audit sink syslog+tls://siem.example.com:6514");
/// # Ok::<(), delivery::InvalidSink>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSpec {
    pub(super) target: SinkTarget,
    /// How events are written.
    pub format: SinkFormat,
}

/// A text is no [`SinkSpec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write it as file:PATH, syslog+tls://HOST:PORT or https://HOST/PATH, with ?format=ndjson, ocsf or \
     cef at the end"
)]
pub struct InvalidSink;

impl SinkSpec {
    /// What it is called in the log: without what may be a secret.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.target {
            SinkTarget::File(path) => format!("audit sink file:{}", path.display()),
            SinkTarget::Syslog { host, port } => format!("audit sink syslog+tls://{host}:{port}"),
            // Its form for logs shows no path.
            SinkTarget::Https(target) => format!("audit sink {target:?}"),
        }
    }
}

impl FromStr for SinkSpec {
    type Err = InvalidSink;

    fn from_str(text: &str) -> Result<SinkSpec, InvalidSink> {
        let (place, format) = split_format(text)?;
        let target = if let Some(path) = place.strip_prefix("file:") {
            if path.is_empty() || path.ends_with('/') {
                return Err(InvalidSink);
            }
            SinkTarget::File(PathBuf::from(path))
        } else if place.starts_with("syslog+tls:") {
            syslog(&place)?
        } else {
            let target: Target = place.parse().map_err(|_| InvalidSink)?;
            if !target.is_https() {
                return Err(InvalidSink);
            }
            SinkTarget::Https(target)
        };
        Ok(SinkSpec { target, format })
    }
}

/// Takes the parameter `format` out of a query.
fn split_format(text: &str) -> Result<(String, SinkFormat), InvalidSink> {
    let Some((place, query)) = text.rsplit_once('?') else {
        return Ok((text.to_owned(), SinkFormat::Ndjson));
    };
    let (mut format, mut rest) = (None, Vec::new());
    for parameter in query.split('&') {
        match parameter.strip_prefix("format=") {
            Some(word) if format.is_none() => {
                let found = SinkFormat::ALL.iter().find(|format| format.as_str() == word);
                format = Some(*found.ok_or(InvalidSink)?);
            }
            Some(_) => return Err(InvalidSink),
            None => rest.push(parameter),
        }
    }
    let rest = rest.join("&");
    // A file may have a question mark in its name; a syslog server has no query.
    let place = if rest.is_empty() && format.is_some() {
        place.to_owned()
    } else {
        format!("{place}?{rest}")
    };
    Ok((place, format.unwrap_or(SinkFormat::Ndjson)))
}

fn syslog(place: &str) -> Result<SinkTarget, InvalidSink> {
    let url = Url::parse(place).map_err(|_| InvalidSink)?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    // Of a scheme that is not the web's the host is any text.
    let host = url.host_str().filter(|_| bare).ok_or(InvalidSink)?;
    let host = match Host::parse(host).map_err(|_| InvalidSink)? {
        Host::Domain(name) => name,
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Ok(SinkTarget::Syslog { host, port: url.port().unwrap_or(SYSLOG_PORT) })
}

/// As it is written, whole: it may hold a secret.
impl fmt::Display for SinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            SinkTarget::File(path) => write!(f, "file:{}", path.display())?,
            SinkTarget::Syslog { host, port } => write!(f, "syslog+tls://{host}:{port}")?,
            SinkTarget::Https(target) => write!(f, "{target}")?,
        }
        write!(f, " {}", self.format.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sink_is_a_file_a_syslog_server_or_a_url() {
        for (text, expected) in [
            ("file:/var/log/keys.ndjson", "file:/var/log/keys.ndjson ndjson"),
            ("file:audit.log?format=cef", "file:audit.log cef"),
            ("syslog+tls://siem.example.com", "syslog+tls://siem.example.com:6514 ndjson"),
            ("syslog+tls://[::1]:7000?format=ocsf", "syslog+tls://::1:7000 ocsf"),
            ("syslog+tls://10.0.0.1:7000/", "syslog+tls://10.0.0.1:7000 ndjson"),
            ("https://siem.example.com/in?format=ocsf", "https://siem.example.com/in ocsf"),
            ("https://s.example/in?a=b&format=cef", "https://s.example/in?a=b cef"),
            ("https://s.example/in?a=b", "https://s.example/in?a=b ndjson"),
        ] {
            assert_eq!(text.parse::<SinkSpec>().unwrap().to_string(), expected, "{text}");
        }
        for wrong in [
            "",
            "file:",
            "file:/var/log/",
            "http://s.example/",
            "syslog://s.example",
            "syslog+tls://",
            "syslog+tls://ann@s.example",
            "syslog+tls://s.example/path",
            "syslog+tls://s.example?a=b",
            "https://ann:pw@s.example/",
            "file:x?format=xml",
            "file:x?format=cef&format=cef",
            "/var/log/keys",
        ] {
            assert_eq!(wrong.parse::<SinkSpec>(), Err(InvalidSink), "{wrong}");
        }
        let secret: SinkSpec = "https://s.example/token?key=x".parse().unwrap();
        assert_eq!(secret.name(), "audit sink https://s.example");
    }

    proptest! {
        #[test]
        fn any_text_is_a_sink_or_refused(text in "(file:|syslog\\+tls://|https://)?[a-z0-9.:/?&=\\[\\]]{0,30}|\\PC{0,30}") {
            if let Ok(sink) = text.parse::<SinkSpec>() {
                let (place, format) = sink.to_string().rsplit_once(' ').map(|(place, format)| (place.to_owned(), format.to_owned())).unwrap();
                prop_assert!(SinkFormat::ALL.iter().any(|one| one.as_str() == format));
                prop_assert!(!place.is_empty());
            }
        }
    }
}
