//! Requests with answers in JSON, and how long they take.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::client::{Connection, Target};
use crate::gauge::gauge;

/// The answer to a request, and how long it took.
pub(super) async fn timed(
    connection: &mut Connection,
    request: &[u8],
) -> Result<(Value, Duration)> {
    let began = Instant::now();
    let response = connection.call(request).await?;
    let took = began.elapsed();
    if !matches!(response.status(), 200 | 201) {
        bail!("an unexpected response: {}", String::from_utf8_lossy(response.raw()));
    }
    let answer = serde_json::from_slice(&response.body()?).context("the response is no JSON")?;
    Ok((answer, took))
}

/// The text at `pointer`.
pub(super) fn text<'a>(answer: &'a Value, pointer: &str) -> Result<&'a str> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    text.with_context(|| format!("no {pointer} in {answer}"))
}

/// How many records the log has.
pub(super) async fn log_size(target: &Target) -> Result<u64> {
    gauge(target, "keyledger_log_size").await.context("no size of the log in the metrics")
}

/// How many keys the table has: also those that were created beside what was imported.
pub(super) async fn keys(target: &Target) -> Result<u64> {
    gauge(target, "keyledger_keys").await.context("no number of keys in the metrics")
}
