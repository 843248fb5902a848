//! Who may connect: a cap in all, a cap for each address, and a reserve for the operator.
//!
//! Past a cap a connection comes out of the reserve, which is for health checks and metrics alone;
//! past the reserve it is closed at once. Nobody waits for a place: a connection that waits in the
//! kernel's queue keeps out those behind it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::{IntCounter, IntGauge};

/// Connections beyond the caps that only health checks and metrics are answered on.
const RESERVE: usize = 64;
/// How many of them one address may have.
const RESERVE_PER_ADDRESS: usize = 8;
/// The bits of an IPv6 address that tell one customer of a provider from another (RFC 6177).
const IPV6_PREFIX: u32 = 64;

/// The most connections at once.
#[derive(Clone, Copy)]
pub(crate) struct Caps {
    /// In all.
    pub(crate) all: usize,
    /// Of one address; for IPv6 of one /64.
    pub(crate) per_address: usize,
}

/// Counts the connections of one listener.
pub(crate) struct Admission {
    caps: Caps,
    open: IntGauge,
    refused: IntCounter,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: Count,
    by_address: HashMap<IpAddr, Count>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    ordinary: usize,
    reserved: usize,
}

impl Count {
    fn of(&mut self, place: Place) -> &mut usize {
        match place {
            Place::Ordinary => &mut self.ordinary,
            Place::Reserved => &mut self.reserved,
        }
    }

    fn is_zero(self) -> bool {
        self.ordinary == 0 && self.reserved == 0
    }
}

/// What an admitted connection may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Everything.
    Ordinary,
    /// Whether the service is well, and its metrics.
    Reserved,
}

/// An admitted connection; it is counted until this is dropped.
pub(crate) struct Admitted {
    pub(crate) place: Place,
    address: Option<IpAddr>,
    admission: Arc<Admission>,
}

impl Admission {
    /// Admits connections up to `caps`, and shows their numbers in these metrics.
    pub(crate) fn new(caps: Caps, open: IntGauge, refused: IntCounter) -> Arc<Admission> {
        let counts = Mutex::default();
        Arc::new(Admission { caps, open, refused, counts })
    }

    /// A place for a connection from `peer`; `None` if it has to go. An address that is not given
    /// is not counted by itself: that of a proxy, which stands for many.
    pub(crate) fn admit(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Admitted> {
        let address = peer.map(counted_as);
        let mut counts = self.counts.lock();
        let own = address.and_then(|address| counts.by_address.get(&address).copied());
        let own = own.unwrap_or_default();
        let place = if counts.all.ordinary < self.caps.all && own.ordinary < self.caps.per_address {
            Place::Ordinary
        } else if counts.all.reserved < RESERVE && own.reserved < RESERVE_PER_ADDRESS {
            Place::Reserved
        } else {
            drop(counts);
            self.refused.inc();
            return None;
        };
        *counts.all.of(place) += 1;
        if let Some(address) = address {
            *counts.by_address.entry(address).or_default().of(place) += 1;
        }
        drop(counts);
        self.open.inc();
        Some(Admitted { place, address, admission: Arc::clone(self) })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock();
        *counts.all.of(self.place) -= 1;
        if let Some(address) = self.address
            && let Some(count) = counts.by_address.get_mut(&address)
        {
            *count.of(self.place) -= 1;
            if count.is_zero() {
                counts.by_address.remove(&address);
            }
        }
        drop(counts);
        self.admission.open.dec();
    }
}

/// The address that a connection from `peer` counts for.
pub(crate) fn counted_as(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX);
            Ipv6Addr::from_bits(network).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(most: usize, most_per_address: usize) -> Arc<Admission> {
        let open = IntGauge::new("open", "open").unwrap();
        let refused = IntCounter::new("refused", "refused").unwrap();
        Admission::new(Caps { all: most, per_address: most_per_address }, open, refused)
    }

    /// The places of so many connections from there.
    fn connect(admission: &Arc<Admission>, peer: &str, count: usize) -> Vec<Option<Admitted>> {
        (0..count).map(|_| admission.admit(peer.parse().ok())).collect()
    }

    fn counted(admitted: &[Option<Admitted>]) -> (usize, usize, usize) {
        let of = |wanted: Option<Place>| {
            let places = admitted.iter().map(|admitted| admitted.as_ref().map(|one| one.place));
            places.filter(|place| *place == wanted).count()
        };
        (of(Some(Place::Ordinary)), of(Some(Place::Reserved)), of(None))
    }

    #[test]
    fn one_address_cannot_take_the_places_of_others() {
        let admission = admission(100, 40);
        let greedy = connect(&admission, "192.0.2.1", 1000);
        assert_eq!(counted(&greedy), (40, RESERVE_PER_ADDRESS, 952));
        assert_eq!(counted(&connect(&admission, "192.0.2.2", 10)), (10, 0, 0));
        assert_eq!(admission.open.get(), 48);
        assert_eq!(admission.refused.get(), 952);
        drop(greedy);
        assert_eq!(admission.open.get(), 0);
        assert!(admission.counts.lock().by_address.is_empty());
        assert_eq!(counted(&connect(&admission, "192.0.2.1", 1)), (1, 0, 0));
    }

    #[test]
    fn when_all_places_are_taken_there_is_one_for_a_health_check() {
        let admission = admission(20, 20);
        let all = connect(&admission, "192.0.2.1", 20);
        assert_eq!(counted(&all), (20, 0, 0));
        assert_eq!(counted(&connect(&admission, "192.0.2.2", 1)), (0, 1, 0));
        // Many addresses cannot take more than the reserve.
        let many: Vec<_> = (0..=255)
            .map(|last| admission.admit(Some(IpAddr::from([198, 51, 100, last]))))
            .collect();
        assert_eq!(counted(&many), (0, RESERVE, 256 - RESERVE));
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address_and_a_mapped_address_as_ipv4() {
        let table = [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
        ];
        for (peer, address) in table {
            assert_eq!(counted_as(peer.parse().unwrap()).to_string(), address);
        }
    }

    #[test]
    fn an_address_that_stands_for_many_is_bounded_only_in_all() {
        let admission = admission(10, 2);
        let proxied: Vec<_> = (0..11).map(|_| admission.admit(None)).collect();
        assert_eq!(counted(&proxied), (10, 1, 0));
    }
}
