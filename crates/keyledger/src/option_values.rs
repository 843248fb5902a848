//! How the values of options are written: durations, sizes, pairs, words of a closed set.

use std::fmt::Display;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use keys::{QuotaPeriod, RateLimit, Timestamp};
use ledger::{Clock as _, SystemClock};
use serde_json::{Value, json};

/// One of a closed set of words, which help and completions then list.
pub(crate) fn one_of<T: Display>(words: impl IntoIterator<Item = T>) -> PossibleValuesParser {
    let words = words.into_iter().map(|word| PossibleValue::new(word.to_string()));
    PossibleValuesParser::new(words)
}

/// Reads `30s`, `15m`, `1h`, `7d`, `2w`, or several of these, as in `1h 30m`.
///
/// Of the units that the library reads, months and years have no fixed length, and `M` for `m` is too
/// easy a slip; the API and the log have none below a second, and no fractions.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write it as 30s, 15m, 1h or 7d".to_owned();
    let units = text.split(|one: char| one.is_ascii_digit() || one == ' ');
    let is_unit = |unit: &str| matches!(unit, "" | "s" | "m" | "h" | "d" | "w");
    if text.ends_with(|one: char| one.is_ascii_digit()) || !{ units }.all(is_unit) {
        return Err(wrong());
    }
    // The library's own message lists nanoseconds.
    humantime::parse_duration(text).map_err(|_| wrong())
}

/// Reads a time (RFC 3339), or how long ago it was, as a [`duration`].
pub(crate) fn past(text: &str) -> Result<Timestamp, String> {
    let Ok(age) = duration(text) else {
        let wrong = |_| "write it as 30d, or as a time such as 2026-01-02T03:04:05Z".to_owned();
        return text.parse().map_err(wrong);
    };
    let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_secs(SystemClock::default().now().seconds().saturating_sub(age)))
}

/// Reads `16MiB`, `1GB` or a number of bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "write it as 16MiB, 1GB or a number of bytes".to_owned();
    let digits = text.find(|one: char| !one.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let one = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(one).ok_or_else(wrong)
}

/// Reads `100/60s` or `10/1m`: so many uses in so long; as a request has it.
pub(crate) fn rate_limit(text: &str) -> Result<Value, String> {
    let wrong = || "write it as 100/60s or 10/1m".to_owned();
    let (limit, period) = text.split_once('/').ok_or_else(wrong)?;
    let limit: u32 = limit.parse().map_err(|_| wrong())?;
    let period_s = u32::try_from(duration(period).map_err(|_| wrong())?.as_secs());
    let rate = RateLimit::new(limit, period_s.unwrap_or(u32::MAX));
    rate.map_err(|why| format!("it {why}"))?;
    Ok(json!({ "limit": limit, "period_s": period_s.unwrap_or(u32::MAX) }))
}

/// Reads `1000/day`, `1000/month` or `1000/total`: so many uses in that time; as a request has it.
pub(crate) fn quota(text: &str) -> Result<Value, String> {
    let wrong = || "write it as 1000/day, 1000/month or 1000/total".to_owned();
    let (limit, per) = text.split_once('/').ok_or_else(wrong)?;
    let limit: u32 = limit.parse().map_err(|_| wrong())?;
    let per: QuotaPeriod = per.parse().map_err(|_| wrong())?;
    if limit == 0 { Err(wrong()) } else { Ok(json!({ "limit": limit, "per": per.as_str() })) }
}

/// Reads `name=value`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("16MiB"), Ok(16 << 20));
        assert_eq!(bytes("2GB"), Ok(2_000_000_000));
        for bad in ["", "MiB", "1mb", "-1", "1.5GB", "99999999999999999999", "20000000000GB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_are_a_number_and_a_time() {
        assert_eq!(rate_limit("100/60s"), Ok(json!({"limit": 100, "period_s": 60})));
        assert_eq!(rate_limit("1/1d"), Ok(json!({"limit": 1, "period_s": 86_400})));
        for bad in ["", "100", "/60s", "100/", "100/60", "0/60s", "100/0s", "1/2d", "-1/1s", "1/M"]
        {
            assert!(rate_limit(bad).is_err(), "{bad}");
        }
        assert_eq!(quota("1000/month"), Ok(json!({"limit": 1000, "per": "month"})));
        for bad in
            ["", "1000", "1000/", "0/day", "1000/days", "1000/1d", "-1/day", "4294967296/day"]
        {
            assert!(quota(bad).is_err(), "{bad}");
        }
    }

    /// What was accepted before a library read durations: digits and one of four units.
    #[test]
    fn a_number_and_a_unit_are_a_duration() {
        for number in [0, 1, 5, 30, 59, 60, 365, 36_500, 1_000_000] {
            for (unit, seconds) in [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)] {
                let text = format!("{number}{unit}");
                let want = Duration::from_secs(number * seconds);
                assert_eq!(duration(&text), Ok(want), "{text}");
            }
        }
        assert_eq!(duration("007d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(duration(&format!("{}s", u64::MAX)), Ok(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn a_duration_has_several_units_if_need_be() {
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(duration("2w"), Ok(Duration::from_secs(1_209_600)));
    }

    #[test]
    fn a_moment_of_the_past_is_a_time_or_an_age() {
        let time = "2026-01-02T03:04:05Z";
        assert_eq!(past(time).unwrap().to_seconds_text(), time);
        let (before, day, after) = (past("0s").unwrap(), past("1d").unwrap(), past("0s").unwrap());
        assert!((before.seconds()..=after.seconds()).contains(&(day.seconds() + 86_400)));
        for bad in ["", "yesterday", "30", "-1d", "2026-01-02"] {
            assert!(past(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_duration_in_whole_seconds_is_refused() {
        let bad =
            ["", "0", "5", "s", "-1s", "5x", "500ms", "1.5h", "0.0001h", "99999999999999999999s"];
        // A month where a minute was meant.
        for bad in bad.into_iter().chain(["15M", "1month", "1y", "1h 15M"]) {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(duration(&format!("{}d", u64::MAX)).is_err());
    }
}
