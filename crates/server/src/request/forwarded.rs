//! The client's address behind proxies.
//!
//! What a proxy wrote is read from the right, where the nearest one wrote last. What cannot be
//! read there is an unknown address: taking the proxy's own instead would let everybody behind it
//! pass for the proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The most proxies that are walked over; behind more of them a client is unknown.
const MAX_HOPS: usize = 32;

/// A header in which a proxy says for whom it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
}

/// The client's address: the peer's, or, when the peer is a trusted proxy, the rightmost one in
/// `header` that is none. What stands left of that was written by the client itself.
///
/// Without a `header` both are read. A proxy passes on the one that it does not write, as the
/// client sent it, so two that name different clients name none.
pub(crate) fn client(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    trusted: &[IpNet],
    header: Option<ForwardedHeader>,
) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    if !is_trusted(peer, trusted) {
        return Some(peer);
    }
    let named = |header: ForwardedHeader| header.client(headers, trusted);
    if let Some(header) = header {
        return named(header);
    }
    let both = [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded];
    let mut sent = both.into_iter().filter(|header| headers.contains_key(header.name()));
    let first = named(sent.next()?)?;
    sent.all(|other| named(other) == Some(first)).then_some(first)
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

impl ForwardedHeader {
    fn name(self) -> HeaderName {
        match self {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => header::FORWARDED,
        }
    }

    /// The rightmost address that is no trusted proxy's; if all are, the leftmost. `None` if one
    /// on the way cannot be read.
    fn client(self, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
        let mut nearest = None;
        let mut hops = 0;
        for line in headers.get_all(self.name()).iter().rev() {
            let mut rest = Some(line.as_bytes());
            while let Some(text) = rest {
                let (before, entry) = match self {
                    ForwardedHeader::XForwardedFor => last_entry(text),
                    ForwardedHeader::Forwarded => last_unquoted(text, b','),
                };
                rest = before;
                hops += 1;
                if hops > MAX_HOPS {
                    return None;
                }
                let entry = str::from_utf8(entry).ok()?.trim();
                let address = match self {
                    // Without brackets too: that is how most proxies write IPv6 there.
                    ForwardedHeader::XForwardedFor => entry.parse().ok().or_else(|| node(entry)),
                    ForwardedHeader::Forwarded => node(forwarded_for(entry)?),
                };
                let address = address?.to_canonical();
                if !is_trusted(address, trusted) {
                    return Some(address);
                }
                nearest = Some(address);
            }
        }
        nearest
    }
}

/// What stands before the last comma, and what behind it.
fn last_entry(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let comma = text.iter().rposition(|byte| *byte == b',');
    split_around(text, comma)
}

/// The same for a separator outside of quoted strings (RFC 9110 §5.6.4).
///
/// It is read from the right, so that a quote which a client left open on the left does not reach
/// what a proxy wrote behind it.
fn last_unquoted(text: &[u8], separator: u8) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    let place = text.iter().enumerate().rev().find_map(|(at, &byte)| {
        quoted ^= byte == b'"' && !is_escaped(text, at);
        (byte == separator && !quoted).then_some(at)
    });
    split_around(text, place)
}

fn split_around(text: &[u8], place: Option<usize>) -> (Option<&[u8]>, &[u8]) {
    match place.and_then(|at| text.split_at_checked(at)) {
        Some((before, [_, after @ ..])) => (Some(before), after),
        Some((_, [])) | None => (None, text),
    }
}

/// Whether an odd number of backslashes stands before.
fn is_escaped(text: &[u8], at: usize) -> bool {
    let before = text.iter().take(at).rev();
    before.take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The node that an element is for (RFC 7239 §4), without its quotes; `None` unless there is one.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut node = None;
    let mut rest = Some(element.as_bytes());
    while let Some(text) = rest {
        let (before, pair) = last_unquoted(text, b';');
        rest = before;
        let pair = str::from_utf8(pair).ok()?.trim();
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=')?;
        if !name.eq_ignore_ascii_case("for") {
            continue;
        }
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        // Twice: nobody knows which is meant.
        if node.replace(quoted.unwrap_or(value)).is_some() {
            return None;
        }
    }
    node
}

/// The address of a node (RFC 7239 §6): IPv4, or IPv6 in brackets, perhaps with a port. `unknown`,
/// a hidden name (`_x`), a zone, a socket's path and what is nothing at all have none.
fn node(text: &str) -> Option<IpAddr> {
    let (address, port) = if let Some(rest) = text.strip_prefix('[') {
        let (inner, behind) = rest.split_once(']')?;
        let port = if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) };
        (inner.parse::<Ipv6Addr>().ok()?.into(), port)
    } else {
        let (host, port) = text.split_once(':').map_or((text, None), |(h, p)| (h, Some(p)));
        (host.parse::<Ipv4Addr>().ok()?.into(), port)
    };
    port.is_none_or(is_port).then_some(address)
}

/// A port's number, or a name that hides it (RFC 7239 §6.2 and §6.3).
fn is_port(text: &str) -> bool {
    let hidden = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    let number = text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok();
    number || text.strip_prefix('_').is_some_and(hidden)
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
