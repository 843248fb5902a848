//! How soon after its due time a key is denied, and how soon that is on record, at rest.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use humantime::format_rfc3339_micros;
use serde_json::{Value, json};

use crate::client::{Connection, Target};
use crate::setup::wait;

/// The lateness of each key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lateness {
    /// From the due time to the sending of the first request that was denied, in milliseconds; the
    /// time between two requests is part of it.
    pub(crate) denied_ms: Vec<f64>,
    /// From the due time to the time of the recorded `Expired`, in milliseconds, as it says itself.
    pub(crate) recorded_ms: Vec<f64>,
}

/// How long before the first due time the keys at rest are created.
const AHEAD_MS: u64 = 700;
/// The time between two due times.
const APART_MS: u64 = 60;

/// Microseconds since 1970. The service is on this machine and has the same clock.
#[expect(clippy::disallowed_methods, reason = "lateness is measured against this clock")]
#[expect(clippy::expect_used, reason = "without a clock nothing can be measured")]
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    u64::try_from(since.as_micros()).expect("a clock before the year 500,000")
}

/// Creates `count` keys that are due one after the other and verifies each until it is denied; then
/// as many that nobody verifies, and reads when their ends were recorded.
pub(crate) async fn measure(target: &Target, count: usize) -> Result<Lateness> {
    let mut connection = Connection::open(target.address).await?;
    let mut lateness = Lateness::default();
    for _ in 0..count {
        let due = now_us() + APART_MS * 1_000;
        let key = create(&mut connection, target, due).await?;
        lateness.denied_ms.push(until_denied(&mut connection, target, &key, due).await?);
    }
    // At rest: no requests are sent while these expire.
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
        let history = call(&mut connection, &history, 200).await?;
        let late = history
            .pointer("/items/1/data/late_ms")
            .and_then(Value::as_f64)
            .context("the end of a key was not recorded within a second")?;
        lateness.recorded_ms.push(late);
    }
    Ok(lateness)
}

struct Key {
    id: String,
    secret: String,
}

async fn create(connection: &mut Connection, target: &Target, due: u64) -> Result<Key> {
    let due_text = format_rfc3339_micros(UNIX_EPOCH + Duration::from_micros(due)).to_string();
    let body = json!({"name": "due", "expires_at": due_text}).to_string();
    let response = call(connection, &target.post("/v1/keys", &body), 201).await?;
    let text = |pointer: &str| {
        let text = response.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned).context("the created key is not as it must be")
    };
    Ok(Key { id: text("/key/id")?, secret: text("/secret")? })
}

/// Verifies until the key is denied, and returns how late that was.
async fn until_denied(
    connection: &mut Connection,
    target: &Target,
    key: &Key,
    due: u64,
) -> Result<f64> {
    let body = json!({"key": key.secret}).to_string();
    let request = target.post("/v1/keys/verify", &body);
    loop {
        let sent = now_us();
        let response = call(connection, &request, 200).await?;
        match response.get("code").and_then(Value::as_str) {
            // A request that was sent before the due time and arrived after it is not late.
            Some("EXPIRED") if now_us() >= due => {
                return Ok(Duration::from_micros(sent.saturating_sub(due)).as_secs_f64() * 1e3);
            }
            Some("EXPIRED") => bail!("a key was denied before its time"),
            Some("VALID") if sent > due + 10_000_000 => bail!("a key is valid 10 s after its time"),
            Some("VALID") => {}
            other => bail!("an unexpected response: {other:?}"),
        }
    }
}

async fn call(connection: &mut Connection, request: &[u8], status: u16) -> Result<Value> {
    let response = connection.call(request).await?;
    if response.status() != status {
        bail!("an unexpected response: {}", String::from_utf8_lossy(response.raw()));
    }
    Ok(serde_json::from_slice(&response.body()?)?)
}

/// Measures a running server and prints the longest times.
pub(crate) fn run(url: &str, token: &str, keys: usize) -> Result<()> {
    let late = wait(measure(&Target::new(url, token)?, keys))?;
    for (name, values) in [("denied", &late.denied_ms), ("recorded", &late.recorded_ms)] {
        let longest = values.iter().copied().fold(0.0, f64::max);
        println!("{name} at most {longest:.1} ms after the due time, of {} keys", values.len());
    }
    Ok(())
}
