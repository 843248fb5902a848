//! Which addresses may be connected to.
//!
//! Whoever may say where messages go must not be able to reach what only this machine can reach:
//! services on its loopback, in its own network, or of the cloud it runs in. So an address is
//! judged after a name was resolved, and the connection goes to the very address that was judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::target::{InvalidTarget, Target};

/// The networks that are no part of the public internet (RFC 6890 and its registries).
const NOT_PUBLIC_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Shared with the provider (RFC 6598).
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local, and where clouds answer with credentials.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, reserved, broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// The parts of `2000::/3` that are not public either: protocols (Teredo among them), documentation,
/// and 6to4, which has an IPv4 address inside.
const NOT_PUBLIC_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Which addresses may be connected to: those of the public internet, and the networks that the
/// operator allowed besides.
#[derive(Clone, Debug, Default)]
pub struct AddressRules {
    allowed: Vec<IpNet>,
}

impl AddressRules {
    /// The public internet, and `allowed`.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>) -> AddressRules {
        AddressRules { allowed }
    }

    /// Every address, also by plain http: for what the operator alone names.
    #[must_use]
    pub fn anywhere() -> AddressRules {
        let all = ["0.0.0.0/0", "::/0"].iter().filter_map(|network| network.parse().ok());
        AddressRules::new(all.collect())
    }

    /// Whether the operator named `address`. An IPv4 address in an IPv6 one is that IPv4 address.
    #[must_use]
    pub fn names(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed.iter().any(|network| network.contains(&address))
    }

    /// Whether `address` may be connected to.
    ///
    /// ```
    /// use delivery::AddressRules;
    ///
    /// let rules = AddressRules::new(vec!["10.1.0.0/16".parse()?]);
    /// assert!(rules.allows("93.184.215.14".parse()?));
    /// assert!(rules.allows("10.1.2.3".parse()?));
    /// assert!(!rules.allows("::ffff:127.0.0.1".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.names(address) || is_public(address)
    }

    /// Whether `target` may be at `address`. Without TLS anybody on the way reads along: so `http`
    /// goes only where the operator named the network.
    pub(crate) fn allows_at(&self, target: &Target, address: IpAddr) -> bool {
        if target.is_https() { self.allows(address) } else { self.names(address) }
    }

    /// Checks what can be told of a target before its name is resolved.
    ///
    /// # Errors
    ///
    /// [`InvalidTarget::NotHttps`] or [`InvalidTarget::NotAllowed`]; no attempt would get through.
    pub fn check(&self, target: &Target) -> Result<(), InvalidTarget> {
        if !target.is_https() && self.allowed.is_empty() {
            return Err(InvalidTarget::NotHttps);
        }
        match target.address() {
            Some(address) if !self.allows_at(target, address) => Err(InvalidTarget::NotAllowed),
            Some(_) | None => Ok(()),
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match nat64(address) {
            Some(inside) => is_public_v4(inside),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let same = |network: &Ipv4Addr, bits: u32| {
        (u32::from(address) ^ u32::from(*network)).leading_zeros() >= bits
    };
    !NOT_PUBLIC_V4.iter().any(|(network, bits)| same(network, *bits))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let same = |network: &Ipv6Addr, bits: u32| {
        (u128::from(address) ^ u128::from(*network)).leading_zeros() >= bits
    };
    // All that is global unicast so far (RFC 4291 §2.4); the rest is private, local or unassigned.
    same(&Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
        && !NOT_PUBLIC_V6.iter().any(|(network, bits)| same(network, *bits))
}

/// The IPv4 address behind a translator (RFC 6052 §2.1), as networks without IPv4 name it.
fn nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.octets() {
        [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => {
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_only_this_machine_can_reach_is_refused() {
        let rules = AddressRules::default();
        for public in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "64:ff9b::101:101",
            "::ffff:1.1.1.1",
        ] {
            assert!(rules.allows(public.parse().unwrap()), "{public}");
        }
        for refused in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!rules.allows(refused.parse().unwrap()), "{refused}");
        }
    }

    #[test]
    fn the_operator_allows_networks() {
        let rules = AddressRules::new(vec!["127.0.0.0/8".parse().unwrap()]);
        assert!(rules.allows("127.0.0.1".parse().unwrap()));
        assert!(rules.allows("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!rules.allows("::1".parse().unwrap()));
        assert!(!rules.allows("10.0.0.1".parse().unwrap()));
        for (url, allowed, nowhere) in [
            ("https://a.example/", Ok(()), Ok(())),
            ("http://a.example/", Ok(()), Err(InvalidTarget::NotHttps)),
            ("http://127.0.0.1/", Ok(()), Err(InvalidTarget::NotHttps)),
            ("https://127.0.0.1/", Ok(()), Err(InvalidTarget::NotAllowed)),
            ("https://[::1]/", Err(InvalidTarget::NotAllowed), Err(InvalidTarget::NotAllowed)),
            ("http://1.1.1.1/", Err(InvalidTarget::NotAllowed), Err(InvalidTarget::NotHttps)),
            ("https://1.1.1.1/", Ok(()), Ok(())),
        ] {
            let target = url.parse().unwrap();
            assert_eq!(rules.check(&target), allowed, "{url}");
            assert_eq!(AddressRules::default().check(&target), nowhere, "{url}");
        }
    }

    proptest! {
        /// In whatever IPv6 clothes an IPv4 address comes, the verdict is the same.
        #[test]
        fn an_address_is_judged_by_what_is_inside(bits: u32) {
            let (rules, inside) = (AddressRules::default(), Ipv4Addr::from(bits));
            let mapped = inside.to_ipv6_mapped();
            let translated = Ipv6Addr::from(0x64_ff9b_u128 << 96 | u128::from(bits));
            let plain = rules.allows(inside.into());
            prop_assert_eq!(plain, rules.allows(mapped.into()));
            prop_assert_eq!(plain, rules.allows(translated.into()));
            // The standard library's own opinion of the plainest of them.
            let local = inside.is_private() || inside.is_loopback() || inside.is_link_local()
                || inside.is_multicast() || inside.is_broadcast() || inside.is_unspecified();
            prop_assert!(!(local && plain), "{}", inside);
        }
    }
}
