//! Moments, as microseconds since 1970 in UTC.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::invalid::Invalid;

/// A moment: microseconds since 1970-01-01T00:00:00Z, between the years 1 and 9999.
///
/// Its text is RFC 3339 in UTC with microseconds (`2026-01-02T03:04:05.000000Z`).
///
/// One that may be missing takes no more room than one that is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroU64);

/// The first microsecond of the year 1, which is stored as 1, and the last of the year 9999.
const FIRST: i64 = -62_135_596_800_000_000;
const LAST: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// The latest moment that can be written, at the end of the year 9999.
    pub const MAX: Timestamp = Timestamp::of(LAST);
    /// The earliest moment that can be written, at the start of the year 1.
    pub const MIN: Timestamp = Timestamp::of(FIRST);

    /// A moment that lies between the ends.
    const fn of(micros: i64) -> Timestamp {
        match NonZeroU64::new((micros - FIRST + 1).cast_unsigned()) {
            Some(offset) => Timestamp(offset),
            None => Timestamp(NonZeroU64::MIN),
        }
    }

    /// A moment from microseconds since 1970; outside the years 1 to 9999 the nearest end.
    #[must_use]
    pub fn from_micros(micros: i64) -> Timestamp {
        Timestamp::of(micros.clamp(FIRST, LAST))
    }

    /// A moment from whole seconds since 1970.
    #[must_use]
    pub fn from_secs(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn micros(self) -> i64 {
        self.0.get().cast_signed() - 1 + FIRST
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.micros().div_euclid(1_000_000)
    }

    /// Whole days since 1970, rounded down: the day a daily limit counts in.
    #[must_use]
    pub fn day(self) -> i64 {
        self.micros().div_euclid(86_400_000_000)
    }

    /// Whole months since January of the year 0, in UTC: the month that a monthly quota counts in.
    #[must_use]
    pub fn month(self) -> i64 {
        let (year, month, _) = civil(self.day());
        year * 12 + month - 1
    }

    /// When the month of this moment begins, and when the next one does, in UTC.
    #[must_use]
    pub fn month_bounds(self) -> (Timestamp, Timestamp) {
        let midnight = |day: i64| Timestamp::from_secs(day.saturating_mul(86_400));
        let (_, _, day) = civil(self.day());
        let first = self.day() - (day - 1);
        // No month is longer: that day is one of the first of the next.
        let (_, _, over) = civil(first + 31);
        (midnight(first), midnight(first + 31 - (over - 1)))
    }

    /// This moment and `seconds` more, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn plus_secs(self, seconds: u64) -> Timestamp {
        let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        Timestamp::from_micros(self.micros().saturating_add(micros))
    }

    /// Microseconds from `earlier` to this moment; 0 if that lies later.
    #[must_use]
    pub fn micros_since(self, earlier: Timestamp) -> u64 {
        self.0.get().saturating_sub(earlier.0.get())
    }

    fn chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.micros())
            .unwrap_or_else(|| unreachable!("the years 1 to 9999 are chrono's too"))
    }

    /// RFC 3339 with whole seconds (`2026-01-02T03:04:05Z`).
    #[must_use]
    pub fn to_seconds_text(self) -> String {
        self.chrono().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// RFC 3339 with milliseconds (`2026-01-02T03:04:05.678Z`).
    #[must_use]
    pub fn to_millis_text(self) -> String {
        self.chrono().to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

/// RFC 3339, any offset. Anything finer than a microsecond is cut off.
impl FromStr for Timestamp {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Timestamp, Invalid> {
        let malformed =
            Invalid::Malformed { expected: "an RFC 3339 time such as 2026-01-02T03:04:05Z" };
        let moment = DateTime::parse_from_rfc3339(text).map_err(|_| malformed)?.timestamp_micros();
        if (FIRST..=LAST).contains(&moment) { Ok(Timestamp::of(moment)) } else { Err(malformed) }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            str::from_utf8(&self.text())
                .unwrap_or_else(|_| unreachable!("the text of a time is ASCII")),
        )
    }
}

impl Timestamp {
    /// What is displayed, as bytes of ASCII.
    #[must_use]
    pub fn text(self) -> [u8; 27] {
        let (year, month, day) = civil(self.day());
        let micros = self.micros().rem_euclid(86_400_000_000);
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (last, digits, mut number) in [
            (3, 4, year),
            (6, 2, month),
            (9, 2, day),
            (12, 2, hour),
            (15, 2, minute),
            (18, 2, second),
            (25, 6, micros),
        ] {
            for digit in text.iter_mut().take(last + 1).rev().take(digits) {
                *digit += u8::try_from(number % 10)
                    .unwrap_or_else(|_| unreachable!("a digit is at most 9"));
                number /= 10;
            }
        }
        text
    }
}

/// Year, month and day of a day since 1970, in the Gregorian calendar. Every event that is shown
/// has a time or two in it, so this is done here and not by a library for any calendar.
fn civil(day: i64) -> (i64, i64, i64) {
    // Years are counted from March, so that the leap day is the last of one; eras of 400 years
    // have 146,097 days. The 719,468th day before 1970 is the first of March of the year 0.
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let after_february = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(after_february <= 2);
    (year, after_february, day - first + 1)
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_utc_with_microseconds() {
        let moment: Timestamp = "2026-01-02T04:04:05.1234567+01:00".parse().unwrap();
        assert_eq!(moment.to_string(), "2026-01-02T03:04:05.123456Z");
        assert_eq!(moment.to_millis_text(), "2026-01-02T03:04:05.123Z");
        assert_eq!(moment.to_seconds_text(), "2026-01-02T03:04:05Z");
        assert!("2026-01-02".parse::<Timestamp>().is_err());
    }

    proptest! {
        #[test]
        fn every_moment_survives_its_text(micros in FIRST..=LAST) {
            let moment = Timestamp::from_micros(micros);
            prop_assert_eq!(moment.to_string().parse::<Timestamp>(), Ok(moment));
            let chrono = moment.chrono().to_rfc3339_opts(SecondsFormat::Micros, true);
            prop_assert_eq!(moment.to_string(), chrono);
        }

        #[test]
        fn a_month_is_that_of_the_calendar(micros in FIRST..=LAST) {
            let moment = Timestamp::from_micros(micros);
            let (start, end) = moment.month_bounds();
            prop_assert!(start <= moment && (moment < end || end == Timestamp::MAX));
            prop_assert_eq!(&start.to_string()[8..], "01T00:00:00.000000Z");
            prop_assert_eq!(&start.to_string()[..7], &moment.to_string()[..7]);
            prop_assert_eq!(start.month(), moment.month());
            if end < Timestamp::MAX {
                prop_assert_eq!(&end.to_string()[8..], "01T00:00:00.000000Z");
                prop_assert_eq!(end.month(), moment.month() + 1);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
