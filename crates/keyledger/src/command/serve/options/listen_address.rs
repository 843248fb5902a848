//! The addresses that the service listens on, given as an address or a name.

use std::fmt;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

/// An address or a name, and a port.
#[derive(Clone, Debug)]
pub(crate) struct ListenAddress {
    host: String,
    port: u16,
}

impl FromStr for ListenAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ListenAddress, &'static str> {
        let wrong = "write it as 127.0.0.1:7070, [::1]:7070 or localhost:7070";
        let (host, port) = text.rsplit_once(':').ok_or(wrong)?;
        let port = port.parse().map_err(|_| wrong)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').filter(|_| text.parse::<SocketAddr>().is_ok()),
            None => Some(host).filter(|host| !host.is_empty() && !host.contains(':')),
        };
        Ok(ListenAddress { host: host.ok_or(wrong)?.to_owned(), port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl ListenAddress {
    /// Listens on every address of the name except those that this machine does not have (IPv4 or
    /// IPv6 may be switched off).
    ///
    /// # Errors
    ///
    /// When there is no such address, or one of them cannot be bound.
    pub(crate) fn bind(&self, option: &str) -> Result<Vec<TcpListener>> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let mut addresses: Vec<SocketAddr> = found
            .with_context(|| format!("cannot find the address of `{self}`; check {option}"))?
            .collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.dedup();
        let mut listeners: Vec<TcpListener> = Vec::new();
        let mut missing = None;
        for mut address in addresses {
            if let Some(first) = listeners.first() {
                // With port 0, all addresses get the port of the first.
                address.set_port(first.local_addr()?.port());
            }
            match TcpListener::bind(address) {
                Ok(listener) => {
                    listener.set_nonblocking(true)?;
                    listeners.push(listener);
                }
                Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
                    missing = Some((address, error));
                }
                Err(error) => return Err(error).with_context(|| busy(address, option)),
            }
        }
        match (listeners.is_empty(), missing) {
            (false, _) => Ok(listeners),
            (true, Some((address, error))) => Err(error).with_context(|| busy(address, option)),
            (true, None) => bail!("`{self}` has no address; check {option}"),
        }
    }
}

fn busy(address: SocketAddr, option: &str) -> String {
    format!("cannot listen on {address}; stop what uses it, or choose another {option}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_name_has_a_port() {
        for good in ["127.0.0.1:7070", "[::1]:0", "localhost:7070", "keys.example.com:80"] {
            assert_eq!(good.parse::<ListenAddress>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "here",
            ":7070",
            "localhost:",
            "localhost:x",
            "localhost:70000",
            "::1:80",
            "[::1]",
            "[localhost]:80",
            "[::1:80",
            "[]:80",
        ] {
            assert!(bad.parse::<ListenAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_all_of_its_addresses_with_one_port() {
        let listeners = "localhost:0".parse::<ListenAddress>().unwrap().bind("--listen").unwrap();
        let addresses: Vec<_> = listeners.iter().map(|one| one.local_addr().unwrap()).collect();
        assert!(addresses.iter().all(|address| address.ip().is_loopback()), "{addresses:?}");
        assert!(addresses.iter().all(|address| address.port() == addresses[0].port()));
        // An address that is in use is an error.
        let taken: ListenAddress = addresses[0].to_string().parse().unwrap();
        let error = format!("{:#}", taken.bind("--listen").unwrap_err());
        assert!(error.contains(&addresses[0].to_string()) && error.contains("--listen"), "{error}");
        let nowhere = "no-such-name.invalid:80".parse::<ListenAddress>().unwrap();
        let error = format!("{:#}", nowhere.bind("--listen").unwrap_err());
        assert!(error.contains("no-such-name.invalid:80") && error.contains("--listen"), "{error}");
    }
}
