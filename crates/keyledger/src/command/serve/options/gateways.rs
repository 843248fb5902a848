//! The options about the proxies and gateways in front of the service.

use std::net::IpAddr;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use server::{ForwardedHeader, KeyHeader};

/// Proxies and gateways in front of the service.
#[derive(Args, Debug)]
#[command(next_help_heading = "Proxies and gateways")]
pub(crate) struct Gateways {
    /// A proxy that is believed when it names the client's address; may be given more than once
    #[arg(
        long = "trusted-proxy",
        env = "KEYLEDGER_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = network
    )]
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// The header in which the trusted proxies write the client's address; without it both are
    /// read, and two that differ name nobody
    #[arg(long, env = "KEYLEDGER_FORWARDED_HEADER", value_name = "NAME")]
    forwarded_header: Option<HeaderName>,
    /// The header in which clients of gateways send their key, instead of X-API-Key; may be given
    /// more than once
    #[arg(
        long = "key-header",
        env = "KEYLEDGER_KEY_HEADER",
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "X-API-Key"
    )]
    pub(crate) key_headers: Vec<KeyHeader>,
}

/// A header in which proxies name the client's address.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum HeaderName {
    /// As most proxies do
    XForwardedFor,
    /// RFC 7239
    Forwarded,
}

impl Gateways {
    /// The header in which trusted proxies write the client's address.
    pub(crate) fn forwarded_header(&self) -> Option<ForwardedHeader> {
        self.forwarded_header.map(|name| match name {
            HeaderName::XForwardedFor => ForwardedHeader::XForwardedFor,
            HeaderName::Forwarded => ForwardedHeader::Forwarded,
        })
    }
}

/// Reads a network, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse())
        .map(keys::canonical_network)
        .map_err(|_: ipnet::AddrParseError| "write it as 10.0.0.0/8 or 10.0.0.1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_address_or_a_network() {
        assert_eq!(network("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("::ffff:10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(network("::ffff:10.0.0.0/104").unwrap().to_string(), "10.0.0.0/8");
        assert!(network("proxy.example.com").is_err());
    }
}
