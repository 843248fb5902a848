//! From where a key may be used.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::bounds;
use crate::invalid::Invalid;

/// The addresses and networks a key may be used from; empty means from anywhere.
///
/// Most keys have none, which takes one word.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct AllowedIps(Option<Box<Box<[Allowed]>>>);

/// One entry, with the form it was given in: `10.0.0.1` is answered as it came, not as `/32`.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Allowed {
    /// An IPv4 network where it was given as one that is mapped into IPv6.
    net: IpNet,
    form: Form,
}

/// How an entry was written.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    Address,
    Network,
    /// An IPv4 network mapped into IPv6. It is shown and matched as IPv4; a record keeps what was
    /// written, because a record's bytes never change.
    Mapped,
}

impl AllowedIps {
    /// The most entries one key can hold.
    pub const MAX: usize = bounds::ALLOWED_IPS;

    /// Parses addresses (`203.0.113.7`) and networks (`10.0.0.0/8`, `2001:db8::/32`).
    ///
    /// # Errors
    ///
    /// [`Invalid`] for the first entry that is neither, and for more than [`AllowedIps::MAX`].
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<AllowedIps, Invalid> {
        if entries.len() > AllowedIps::MAX {
            return Err(Invalid::TooMany { most: AllowedIps::MAX, of: "entries" });
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

    /// The entries, as they are shown: a network of mapped IPv4 addresses is the IPv4 network.
    pub fn texts(&self) -> impl Iterator<Item = String> + '_ {
        self.entries().iter().map(Allowed::shown)
    }

    /// The entries, as they were given and are recorded.
    pub fn recorded(&self) -> impl Iterator<Item = String> + '_ {
        self.entries().iter().map(|allowed| match (allowed.form, allowed.net) {
            (Form::Mapped, IpNet::V4(net)) => {
                format!("{}/{}", net.addr().to_ipv6_mapped(), net.prefix_len() + MAPPED_PREFIX)
            }
            _ => allowed.shown(),
        })
    }
}

impl Allowed {
    fn shown(&self) -> String {
        match self.form {
            Form::Address => self.net.addr().to_string(),
            Form::Network | Form::Mapped => self.net.to_string(),
        }
    }
}

/// The bits in front of an IPv4 address that is mapped into IPv6 (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// The same network; the IPv4 one if it holds nothing but IPv4 addresses mapped into IPv6.
#[must_use]
pub fn canonical_network(net: IpNet) -> IpNet {
    let IpNet::V6(mapped) = net else { return net };
    let address = mapped.addr().to_ipv4_mapped();
    let length = mapped.prefix_len().checked_sub(MAPPED_PREFIX);
    let canonical = address.zip(length).map(|(address, length)| Ipv4Net::new(address, length));
    canonical.and_then(Result::ok).map_or(net, IpNet::V4)
}

fn parse(text: &str) -> Result<Allowed, Invalid> {
    let malformed = Invalid::Malformed { expected: "IP addresses or CIDR networks" };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Allowed { net: IpNet::from(address.to_canonical()), form: Form::Address });
    }
    let given: IpNet = text.parse().map_err(|_| malformed)?;
    // A network with bits set behind its length is more often a slip than an intention.
    if given.addr() != given.network() {
        return Err(malformed);
    }
    let net = canonical_network(given);
    let form = if net == given { Form::Network } else { Form::Mapped };
    Ok(Allowed { net, form })
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

    /// A dual-stack gateway sees IPv4 clients as mapped addresses, and people copy what they see
    /// into lists: such a network used to match nothing.
    #[test]
    fn a_mapped_network_is_the_ipv4_network() {
        // What is given, how it is shown, and whether it allows 203.0.113.7 and 10.0.0.9.
        let table = [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8", false, true),
            ("::ffff:a00:0/104", "10.0.0.0/8", false, true),
            ("::ffff:203.0.113.7/128", "203.0.113.7/32", true, false),
            ("::ffff:203.0.113.7", "203.0.113.7", true, false),
            ("::ffff:0:0/96", "0.0.0.0/0", true, true),
            ("::/0", "::/0", false, false),
            ("2001:db8::/32", "2001:db8::/32", false, false),
        ];
        for (given, shown, allows_one, allows_other) in table {
            let list = AllowedIps::parse(&[given]).unwrap();
            assert_eq!(list.texts().collect::<Vec<_>>(), [shown], "{given}");
            let allows = |address: &str| list.allows(Some(address.parse().unwrap()));
            for (address, allowed) in [("203.0.113.7", allows_one), ("10.0.0.9", allows_other)] {
                assert_eq!(allows(address), allowed, "{address} in {given}");
                assert_eq!(allows(&format!("::ffff:{address}")), allowed, "{address} in {given}");
            }
        }
        assert!(AllowedIps::parse(&["::ffff:10.0.0.1/104"]).is_err());
    }

    /// Records that were written with a mapped network are encoded again as they were.
    #[test]
    fn a_record_keeps_the_network_as_it_was_given() {
        for given in ["::ffff:10.0.0.0/104", "10.0.0.0/8", "10.0.0.1", "2001:db8::/32"] {
            let list = AllowedIps::parse(&[given]).unwrap();
            assert_eq!(list.recorded().collect::<Vec<_>>(), [given]);
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["", "10.0.0.0/33", "10.0.0.1/8", "300.1.1.1", "host", "10.0.0.0/8 "] {
            assert!(AllowedIps::parse(&[bad]).is_err(), "{bad}");
        }
    }
}
