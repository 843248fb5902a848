//! The keys: 10,000 accounts, one of which has a tenth of them.

use std::ops::Range;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::Result;
use humantime::format_rfc3339_seconds;

use crate::client::Target;
use crate::expiry::now_us;
use crate::import;
use crate::run::real;
use crate::setup::wait;

use super::progress::progress;

/// The account that has a tenth of all keys.
pub(super) const LARGE: &str = "large";
/// The others.
const OTHERS: u64 = 9_999;
/// Keys imported in one request, after each of which it is said how far it is.
const STEP: u64 = 250_000;
/// Of so many keys one has the rare tag.
const RARE: u64 = 100_000;
/// One day, and the days over which due times are spread.
const DAY_S: u64 = 86_400;
const SPREAD_DAYS: u64 = 60;

/// A number that looks like none in particular: the same for the same number.
pub(super) fn mixed(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24
}

fn account_of(number: u64) -> String {
    match number % 10 {
        0 => LARGE.to_owned(),
        _ => format!("tenant-{:04}", mixed(number) % OTHERS),
    }
}

/// Appends the line that imports a key. Of sixteen keys one is due some day.
fn line(lines: &mut String, number: u64, now_s: u64) {
    let random = mixed(number);
    let tag = if number.is_multiple_of(RARE) { "rare" } else { "common" };
    let due_s = now_s + DAY_S + (random >> 8) % (SPREAD_DAYS * DAY_S);
    let due = match random % 16 {
        0 => {
            let due = UNIX_EPOCH + Duration::from_secs(due_s);
            format!("\"expires_at\":\"{}\",", format_rfc3339_seconds(due))
        }
        _ => String::new(),
    };
    *lines += &format!(
        "{{\"name\":\"key {number}\",\"account\":\"{}\",\"owner\":\"team-{}\",\"project\":\"p-{}\",\
         \"permissions\":[\"orders.read\"],\"tags\":[\"{tag}\"],{due}\
         \"import\":{{\"secret\":\"{}\",\"prefix\":\"load_\"}}}}\n",
        account_of(number),
        (random >> 12) % 1_000,
        (random >> 16) % 50,
        import::text_of(number),
    );
}

/// Imports the keys of these numbers. How many a second.
pub(super) fn grow(target: &Target, numbers: Range<u64>) -> Result<f64> {
    let (began, now_s) = (Instant::now(), now_us() / 1_000_000);
    let mut first = numbers.start;
    while first < numbers.end {
        let next = numbers.end.min(first + STEP);
        wait(import::stream(target, first..next, &|lines, number| line(lines, number, now_s)))?;
        first = next;
        let rate = real(first - numbers.start) / began.elapsed().as_secs_f64();
        progress(&format!("{first} of {} keys, {rate:.0} a second", numbers.end));
    }
    Ok(real(numbers.end - numbers.start) / began.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    #[test]
    fn one_account_has_a_tenth_of_the_keys() {
        let mut lines = String::new();
        (0..100_000).for_each(|number| line(&mut lines, number, 1_796_000_000));
        let lines: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let mut accounts: BTreeMap<&str, usize> = BTreeMap::new();
        for line in &lines {
            *accounts.entry(line["account"].as_str().unwrap()).or_default() += 1;
        }
        assert_eq!((lines.len(), accounts[LARGE]), (100_000, 10_000));
        assert!((9_990..=10_000).contains(&accounts.len()), "{}", accounts.len());
        let due = lines.iter().filter(|line| line["expires_at"].is_string()).count();
        assert!((5_000..7_500).contains(&due), "{due}");
    }
}
