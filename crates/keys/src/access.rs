//! From where a key may be used.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::Invalid;

/// The addresses and networks a key may be used from; empty means from anywhere.
///
/// Most keys have none, which takes one word.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct AllowedIps(Option<Box<Box<[Allowed]>>>);

/// One entry, with the text it was given as: `10.0.0.1` is answered as it came, not as `/32`.
#[derive(Clone, PartialEq, Eq)]
struct Allowed {
    net: IpNet,
    bare: bool,
}

impl AllowedIps {
    /// The most entries one key can hold.
    pub const MAX: usize = 64;

    /// Parses addresses (`203.0.113.7`) and networks (`10.0.0.0/8`, `2001:db8::/32`).
    ///
    /// # Errors
    ///
    /// [`Invalid`] for the first entry that is neither, and for more than [`AllowedIps::MAX`].
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<AllowedIps, Invalid> {
        if entries.len() > AllowedIps::MAX {
            return Err(Invalid::new(format!("must be at most {} entries", AllowedIps::MAX)));
        }
        if entries.is_empty() {
            return Ok(AllowedIps::default());
        }
        let entries = entries.iter().map(|entry| parse(entry.as_ref()));
        Ok(AllowedIps(Some(Box::new(entries.collect::<Result<_, _>>()?))))
    }

    /// Whether there is no list: any address will do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn entries(&self) -> &[Allowed] {
        self.0.as_deref().map_or(&[], |entries| entries)
    }

    /// Whether `address` may use the key. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn allows(&self, address: Option<IpAddr>) -> bool {
        self.is_empty()
            || address.is_some_and(|address| {
                let address = address.to_canonical();
                self.entries().iter().any(|allowed| allowed.net.contains(&address))
            })
    }

    /// The entries as they were given.
    pub fn texts(&self) -> impl Iterator<Item = String> + '_ {
        self.entries().iter().map(
            |Allowed { net, bare }| {
                if *bare { net.addr().to_string() } else { net.to_string() }
            },
        )
    }
}

fn parse(text: &str) -> Result<Allowed, Invalid> {
    let wrong = || Invalid::new("must be IP addresses or CIDR networks");
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Allowed { net: IpNet::from(address.to_canonical()), bare: true });
    }
    // A network with bits set behind its length is more often a slip than an intention.
    let net: IpNet = text.parse().map_err(|_| wrong())?;
    if net.addr() == net.network() { Ok(Allowed { net, bare: false }) } else { Err(wrong()) }
}

impl fmt::Debug for AllowedIps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_match() {
        let list = AllowedIps::parse(&["203.0.113.7", "10.0.0.0/8", "2001:db8::/32"]).unwrap();
        let table = [
            ("203.0.113.7", true),
            ("203.0.113.8", false),
            ("10.9.8.7", true),
            ("::ffff:10.9.8.7", true),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
        ];
        for (address, allowed) in table {
            assert_eq!(list.allows(Some(address.parse().unwrap())), allowed, "{address}");
        }
        assert!(!list.allows(None));
        assert!(AllowedIps::default().allows(None));
        assert_eq!(
            list.texts().collect::<Vec<_>>(),
            ["203.0.113.7", "10.0.0.0/8", "2001:db8::/32"]
        );
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["", "10.0.0.0/33", "10.0.0.1/8", "300.1.1.1", "host", "10.0.0.0/8 "] {
            assert!(AllowedIps::parse(&[bad]).is_err(), "{bad}");
        }
    }
}
