//! The quiet tenant: one request after the other, each of another kind, with a pause in between.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use serde_json::Value;

use crate::client::{Connection, Target};
use crate::run::real;

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(2);
/// A request that takes longer counts as not answered.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The kinds of requests of a quiet tenant.
pub(crate) const KINDS: [&str; 6] = ["verify", "create", "get", "list", "events", "checkpoint"];

/// What was measured of the quiet tenant.
pub(crate) struct Measured {
    /// Nanoseconds, by kind.
    latency: [Histogram<u64>; KINDS.len()],
    /// Requests without a successful response: the kind, and what came instead.
    pub(crate) failures: Vec<String>,
}

impl Measured {
    fn new() -> Result<Measured> {
        let one = Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?;
        let latency = std::array::from_fn(|_| one.clone());
        Ok(Measured { latency, failures: Vec::new() })
    }

    /// Milliseconds for one kind, `quantile` from 0 to 1.
    pub(crate) fn millis(&self, kind: usize, quantile: f64) -> f64 {
        self.latency.get(kind).map_or(0.0, |one| real(one.value_at_quantile(quantile)) / 1e6)
    }

    /// How many requests were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.latency.iter().map(Histogram::len).sum()
    }
}

/// A quiet tenant with a key of its own.
pub(crate) struct Probe {
    target: Target,
    connection: Option<Connection>,
    requests: [Vec<u8>; KINDS.len()],
}

impl Probe {
    pub(crate) async fn new(target: &Target) -> Result<Probe> {
        let mut connection = Connection::open(target.address).await?;
        let create = target.post("/v1/keys", r#"{"name":"quiet"}"#);
        let response = connection.call(&create).await?;
        let made: Value = serde_json::from_slice(&response.body()?)?;
        let text = |pointer: &str| {
            let found = made.pointer(pointer).and_then(Value::as_str);
            found.with_context(|| format!("no {pointer} in {made}"))
        };
        let (secret, id) = (text("/secret")?, text("/key/id")?);
        let requests = [
            target.post("/v1/keys/verify", &format!(r#"{{"key":"{secret}"}}"#)),
            create,
            target.get(&format!("/v1/keys/{id}")),
            target.get("/v1/keys?limit=50"),
            target.get("/v1/events?limit=50&order=desc"),
            target.get("/log/checkpoint"),
        ];
        Ok(Probe { target: target.clone(), connection: Some(connection), requests })
    }

    /// Sends requests for that long, all kinds in turn.
    pub(crate) async fn watch(&mut self, duration: Duration) -> Result<Measured> {
        let mut measured = Measured::new()?;
        let since = Instant::now();
        while since.elapsed() < duration {
            for (kind, name) in KINDS.iter().enumerate() {
                let sent = Instant::now();
                match tokio::time::timeout(TIMEOUT, self.send(kind)).await {
                    Ok(Ok(())) => {
                        let took = u64::try_from(sent.elapsed().as_nanos())?;
                        if let Some(latency) = measured.latency.get_mut(kind) {
                            latency.saturating_record(took);
                        }
                    }
                    Ok(Err(error)) => measured.failures.push(format!("{name}: {error:#}")),
                    Err(_) => {
                        self.connection = None;
                        measured.failures.push(format!("{name}: no answer in {TIMEOUT:?}"));
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(measured)
    }

    async fn send(&mut self, kind: usize) -> Result<()> {
        let request = self.requests.get(kind).context("no such kind")?;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.target.address).await?,
        };
        let response = connection.call(request).await?;
        if !(200..300).contains(&response.status()) {
            bail!("{}", String::from_utf8_lossy(response.raw()));
        }
        self.connection = Some(connection);
        Ok(())
    }
}
