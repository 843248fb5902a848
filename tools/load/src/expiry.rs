//! How soon after its due time a key is denied, and how soon that is on record, at rest.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::client::{Connection, Target};

/// What was found out, each of as many keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lateness {
    /// From the due time to the sending of the first request that was denied, in milliseconds;
    /// how often one asks is in it.
    pub(crate) denied_ms: Vec<f64>,
    /// From the due time to the time of the recorded `Expired`, in milliseconds, as it says itself.
    pub(crate) recorded_ms: Vec<f64>,
}

/// How far ahead keys are due.
const AHEAD_MS: u64 = 700;
/// How far apart.
const APART_MS: u64 = 60;

/// Microseconds since 1970: the service is on this machine, and so goes by the same clock.
#[expect(clippy::disallowed_methods, reason = "it is the clock that is measured against")]
fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Makes `count` keys that are due one after the other and asks about each until it is denied;
/// then as many that nobody asks about, and reads when their ends were recorded.
pub(crate) async fn measure(target: &Target, count: usize) -> Result<Lateness> {
    let mut connection = Connection::open(target.address).await?;
    let mut found = Lateness::default();
    for _ in 0..count {
        let due = now_us() + APART_MS * 1_000;
        let key = create(&mut connection, target, due).await?;
        found.denied_ms.push(denied(&mut connection, target, &key, due).await?);
    }
    // At rest: nobody asks for anything while these run out.
    let start = now_us() + AHEAD_MS * 1_000;
    let mut ids = Vec::new();
    let mut last = start;
    for number in 0..count as u64 {
        last = start + number * APART_MS * 1_000;
        ids.push(create(&mut connection, target, last).await?.id);
    }
    let wait = Duration::from_micros(last.saturating_sub(now_us())) + Duration::from_secs(1);
    tokio::time::sleep(wait).await;
    for id in ids {
        let history = target.get(&format!("/v1/keys/{id}/history"));
        let history = ask(&mut connection, &history, 200).await?;
        let late = history
            .pointer("/items/1/data/late_ms")
            .and_then(Value::as_f64)
            .context("the end of a key was not recorded within a second")?;
        found.recorded_ms.push(late);
    }
    Ok(found)
}

struct Key {
    id: String,
    secret: String,
}

async fn create(connection: &mut Connection, target: &Target, due: u64) -> Result<Key> {
    let body = json!({"name": "due", "expires_at": rfc3339(due)}).to_string();
    let answer = ask(connection, &target.post("/v1/keys", &body), 201).await?;
    let text = |pointer: &str| {
        let text = answer.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned).context("the created key is not as it must be")
    };
    Ok(Key { id: text("/key/id")?, secret: text("/secret")? })
}

/// Asks until the key is denied. How late that was.
async fn denied(connection: &mut Connection, target: &Target, key: &Key, due: u64) -> Result<f64> {
    let body = json!({"key": key.secret}).to_string();
    let request = target.post("/v1/keys/verify", &body);
    loop {
        let sent = now_us();
        let answer = ask(connection, &request, 200).await?;
        match answer.get("code").and_then(Value::as_str) {
            // Sent before the due time and denied because it came later is no lateness.
            Some("EXPIRED") if now_us() >= due => {
                return Ok(Duration::from_micros(sent.saturating_sub(due)).as_secs_f64() * 1e3);
            }
            Some("EXPIRED") => bail!("a key was denied before its time"),
            Some("VALID") if sent > due + 10_000_000 => bail!("a key is valid 10 s after its time"),
            Some("VALID") => {}
            other => bail!("an answer not as wished: {other:?}"),
        }
    }
}

async fn ask(connection: &mut Connection, request: &[u8], status: u16) -> Result<Value> {
    let answer = connection.call(request).await?;
    if answer.status() != status {
        bail!("an answer not as wished: {}", String::from_utf8_lossy(answer.raw()));
    }
    Ok(serde_json::from_slice(&answer.body()?)?)
}

/// RFC 3339 with microseconds; the calendar of a day within the year 2000 and those after it.
fn rfc3339(micros: u64) -> String {
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, in eras of 400 years, so that a leap day is the last of its year.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_by_the_calendar() {
        let table = [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (951_868_799_999_999, "2000-02-29T23:59:59.999999Z"),
            (951_868_800_000_000, "2000-03-01T00:00:00.000000Z"),
            (1_735_689_599_000_001, "2024-12-31T23:59:59.000001Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        ];
        for (micros, text) in table {
            assert_eq!(rfc3339(micros), text);
        }
    }
}
