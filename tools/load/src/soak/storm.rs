//! A storm: many keys that fall due in one second.

use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use humantime::format_rfc3339_millis;
use serde_json::Value;

use crate::client::{Connection, Target};
use crate::expiry::now_us;
use crate::import;

/// How long before the first due time the keys are imported.
const AHEAD_US: u64 = 2_000_000;
/// Until then the end of every key must be on record.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Imports `keys` keys that are due soon, and waits until the end of each is recorded.
pub(super) async fn pass(target: &Target, round: u64, keys: u64) -> Result<()> {
    let due = now_us() + AHEAD_US;
    let first = now_us() * 10_000;
    let line = |lines: &mut String, number: u64| {
        let due = UNIX_EPOCH + Duration::from_micros(due + (number - first) * 1_000_000 / keys);
        *lines += &format!(
            "{{\"name\":\"s\",\"account\":\"storm-{round}\",\"expires_at\":\"{}\",\"import\":{{\"secret\":\"{}\"}}}}\n",
            format_rfc3339_millis(due),
            import::text_of(number),
        );
    };
    import::stream(target, first..first + keys, &line).await?;
    let began = Instant::now();
    let mut connection = Connection::open(target.address).await?;
    while began.elapsed() < TIMEOUT {
        if recorded(&mut connection, target, round).await? == keys {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bail!("not all of {keys} ends were recorded within {} s", TIMEOUT.as_secs())
}

/// How many ends of keys of the storm are recorded.
async fn recorded(connection: &mut Connection, target: &Target, round: u64) -> Result<u64> {
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let path = format!("/v1/events?account=storm-{round}&type=expired&limit=500{cursor}");
        let response = connection.call(&target.get(&path)).await?;
        if response.status() != 200 {
            bail!("an unexpected response: {}", String::from_utf8_lossy(response.raw()));
        }
        let page: Value = serde_json::from_slice(&response.body()?)?;
        let items = page.get("items").and_then(Value::as_array).context("no items")?;
        count += items.len() as u64;
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(count),
        }
    }
}
