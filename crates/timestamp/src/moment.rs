//! Moments as certificates and time-stamps write them.

use chrono::{NaiveDate, NaiveDateTime};
use der::Tag;

use crate::fields::Element;
use crate::invalid::Invalid;

/// `YYYYMMDDhhmmss[.f…]Z`, in microseconds since 1970. What is finer is cut off. A fraction ends in no
/// zero (X.690 §11.7), and there are no leap seconds in it.
pub(crate) fn generalized(text: &[u8], what: &'static str) -> Result<i64, Invalid> {
    let malformed = Invalid::Malformed(what);
    let text = text.strip_suffix(b"Z").ok_or(malformed)?;
    let (whole, fraction) = text.split_at_checked(14).ok_or(malformed)?;
    let seconds = seconds(whole).ok_or(malformed)?;
    let micros = match fraction {
        [] => 0,
        [b'.', digits @ ..] if !digits.is_empty() && !digits.ends_with(b"0") => {
            micros(digits).ok_or(malformed)?
        }
        _ => return Err(malformed),
    };
    Ok(seconds * 1_000_000 + micros)
}

/// A time in a certificate, in seconds since 1970: years up to 2049 have two digits (RFC 5280 §4.1.2.5).
pub(crate) fn of_certificate(element: Element<'_>, what: &'static str) -> Result<i64, Invalid> {
    let malformed = Invalid::Malformed(what);
    match (element.tag, element.content) {
        (Tag::GeneralizedTime, text) => Ok(generalized(text, what)?.div_euclid(1_000_000)),
        (Tag::UtcTime, [tens, one, rest @ .., b'Z']) => {
            let century: &[u8] = if *tens < b'5' { b"20" } else { b"19" };
            seconds(&[century, &[*tens, *one], rest].concat()).ok_or(malformed)
        }
        _ => Err(malformed),
    }
}

/// `YYYYMMDDhhmmss`, in seconds since 1970.
fn seconds(text: &[u8]) -> Option<i64> {
    if text.len() != 14 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<u32> {
        Some(text.get(from..to)?.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    };
    let year = i32::try_from(number(0, 4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(4, 6)?, number(6, 8)?)?;
    let at: NaiveDateTime = date.and_hms_opt(number(8, 10)?, number(10, 12)?, number(12, 14)?)?;
    Some(at.and_utc().timestamp())
}

/// The first six digits of a fraction.
fn micros(digits: &[u8]) -> Option<i64> {
    let all = digits.iter().all(u8::is_ascii_digit);
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    all.then(|| padded.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_one_spelling() {
        for (text, at) in [
            ("19700101000000Z", Some(0)),
            ("20261130235959Z", Some(1_796_083_199_000_000)),
            ("20261130235959.5Z", Some(1_796_083_199_500_000)),
            ("20261130235959.000001Z", Some(1_796_083_199_000_001)),
            ("20261130235959.1234567Z", Some(1_796_083_199_123_456)),
            ("19691231235959Z", Some(-1_000_000)),
            ("20261130235959", None),
            ("20261130235959+0100", None),
            ("20261130235960Z", None),
            ("20261131235959Z", None),
            ("20261130240000Z", None),
            ("202611302359Z", None),
            ("20261130235959.Z", None),
            ("20261130235959.50Z", None),
            ("20261130235959,5Z", None),
            ("2026113023595aZ", None),
            ("Z", None),
            ("", None),
        ] {
            assert_eq!(generalized(text.as_bytes(), "").ok(), at, "{text}");
        }
    }
}
