//! Values that several stored types have.

use std::net::IpAddr;

use keys::{AllowedIps, Dialect, Edit, Event, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::DecodeError;
use super::twin::twin;
use crate::record::Record;

twin!(pub(super) DialectV1 = Dialect { Native, Covosign, Callcov, Cloudsigma, Capgo, Composable });

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum IpV1 {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl From<IpAddr> for IpV1 {
    fn from(ip: IpAddr) -> IpV1 {
        match ip {
            IpAddr::V4(ip) => IpV1::V4(ip.octets()),
            IpAddr::V6(ip) => IpV1::V6(ip.octets()),
        }
    }
}

impl From<IpV1> for IpAddr {
    fn from(ip: IpV1) -> IpAddr {
        match ip {
            IpV1::V4(octets) => octets.into(),
            IpV1::V6(octets) => octets.into(),
        }
    }
}

/// The time of so many microseconds since 1970, if it is one.
pub(super) fn moment(micros: i64) -> Result<Timestamp, DecodeError> {
    let moment = Timestamp::from_micros(micros);
    if moment.micros() == micros { Ok(moment) } else { Err(DecodeError::NotCanonical) }
}

/// Texts of a record that a key does not hold as text, made so that the stored type can borrow them.
#[derive(Default)]
pub(super) struct Texts {
    /// Those of a new key; or before an edit, and after it.
    pub(super) allowed_ips: [Vec<String>; 2],
}

impl Texts {
    pub(super) fn of(record: &Record) -> Texts {
        let texts = |ips: &AllowedIps| ips.recorded().collect();
        let allowed_ips = match &record.event {
            Event::Created(key) => [texts(&key.allowed_ips), Vec::new()],
            Event::Updated(update) => {
                let lists = update.iter().find_map(|edit| {
                    let Edit::AllowedIps { before, after } = edit else { return None };
                    Some([texts(before), texts(after)])
                });
                lists.unwrap_or_default()
            }
            Event::Enabled | Event::Disabled | Event::Expired { .. } | Event::Revoked(_) => {
                return Texts::default();
            }
        };
        Texts { allowed_ips }
    }
}
