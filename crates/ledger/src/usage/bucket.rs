//! What is counted: verdicts, hour by hour.

use keys::{Timestamp, Verdict};

/// Microseconds in an hour.
const HOUR: i64 = 3_600_000_000;
/// Room for so many codes in an hour.
const CODES: u32 = 16;
/// Buckets in a day.
const DAY: u32 = 24 * CODES;

/// One verdict in one hour (UTC). In order: by hour, then by code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Bucket(u32);

impl Bucket {
    /// After every other one.
    pub(crate) const MAX: Bucket = Bucket(u32::MAX);

    /// The bucket of `verdict` at that time; `None` for a verdict on no key. A time before 1970
    /// counts in the first hour.
    pub(crate) fn of(at: Timestamp, verdict: Verdict) -> Option<Bucket> {
        Some(Bucket(hour_of(at) * CODES + code(verdict)?))
    }

    /// That of good verifications in an hour, counted from 1970.
    pub(crate) fn of_uses(hour: u32) -> Bucket {
        Bucket(hour.saturating_mul(CODES))
    }

    /// As it is stored.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// From its stored number.
    pub(crate) fn from_number(number: u32) -> Bucket {
        Bucket(number)
    }

    /// The first bucket of a day.
    pub(crate) fn first_of(day: u32) -> Bucket {
        Bucket(day.saturating_mul(DAY))
    }

    /// The UTC day, counted from 1970.
    pub(crate) fn day(self) -> u32 {
        self.0 / DAY
    }

    /// The hour, counted from 1970.
    pub(crate) fn hour(self) -> u32 {
        self.0 / CODES
    }

    /// When its hour begins.
    pub(crate) fn start(self) -> Timestamp {
        Timestamp::from_secs(i64::from(self.hour()) * 3_600)
    }

    /// What is counted; `None` if it is none of today's verdicts.
    pub(crate) fn verdict(self) -> Option<Verdict> {
        let own = Some(self.0 % CODES);
        Verdict::ALL.iter().copied().find(|verdict| code(*verdict) == own)
    }

    /// Whether it counts uses of a key.
    pub(crate) fn is_use(self) -> bool {
        self.verdict() == Some(Verdict::Valid)
    }
}

/// The hour of a time, counted from 1970.
pub(crate) fn hour_of(at: Timestamp) -> u32 {
    u32::try_from(at.micros() / HOUR).unwrap_or(0)
}

/// The UTC day of a time, counted from 1970.
pub(crate) fn day_of(at: Timestamp) -> u32 {
    u32::try_from(at.day()).unwrap_or(0)
}

/// When a day begins.
pub(crate) fn start_of(day: u32) -> Timestamp {
    Timestamp::from_secs(i64::from(day) * 86_400)
}

/// The number that stands for a verdict in the files. It never changes. `None` is a verdict on no
/// key, which is counted for nobody.
fn code(verdict: Verdict) -> Option<u32> {
    match verdict {
        Verdict::Malformed | Verdict::NotFound => None,
        Verdict::Valid => Some(0),
        Verdict::Revoked => Some(1),
        Verdict::Expired => Some(2),
        Verdict::Disabled => Some(3),
        Verdict::WrongEnvironment => Some(4),
        Verdict::WrongProject => Some(5),
        Verdict::IpNotAllowed => Some(6),
        Verdict::InsufficientPermissions => Some(7),
        Verdict::UsageExceeded => Some(8),
        Verdict::RateLimited => Some(9),
    }
}
