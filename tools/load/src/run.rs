//! The closed loop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;
use memchr::memmem;
use parking_lot::Mutex;

use crate::client::{Connection, Response, Target};
use crate::script::{Kind, Script};

/// How hard and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Connections, each with one request under way.
    pub(crate) connections: usize,
    /// Threads that drive them.
    pub(crate) threads: usize,
    /// When to stop.
    pub(crate) until: Until,
    /// Whether to collect the secrets of created keys.
    pub(crate) collect_secrets: bool,
    /// The interval between two requests of a connection; zero sends the next one at once.
    pub(crate) every: Duration,
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After this many requests.
    Count(usize),
    /// After a time, of which the first part is not measured.
    Time {
        /// Not measured.
        warm_up: Duration,
        /// Measured.
        duration: Duration,
    },
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Successful responses in the measured time.
    pub(crate) measured: u64,
    /// The measured time.
    pub(crate) elapsed: Duration,
    /// Keys that were created, measured or not.
    pub(crate) created: u64,
    /// All responses, measured or not.
    pub(crate) answered: u64,
    /// Nanoseconds from sending to the end of the response, of the measured ones.
    pub(crate) latency: Histogram<u64>,
    /// Responses that were no success, by status.
    pub(crate) failed: BTreeMap<u16, u64>,
    /// The first of them, as received.
    pub(crate) first_failure: Option<String>,
    /// The secrets of created keys, if the plan collects them.
    pub(crate) secrets: Vec<Vec<u8>>,
}

impl Outcome {
    /// Nothing yet.
    pub(crate) fn new() -> Result<Outcome> {
        Ok(Outcome {
            measured: 0,
            elapsed: Duration::ZERO,
            created: 0,
            answered: 0,
            latency: Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?,
            failed: BTreeMap::new(),
            first_failure: None,
            secrets: Vec::new(),
        })
    }

    /// Successful responses a second.
    pub(crate) fn per_second(&self) -> f64 {
        real(self.measured) / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// A latency in milliseconds, `quantile` from 0 to 1.
    pub(crate) fn millis(&self, quantile: f64) -> f64 {
        real(self.latency.value_at_quantile(quantile)) / 1e6
    }

    /// A sentence about the responses that were no success, if there were any.
    pub(crate) fn complaint(&self) -> Option<String> {
        let first = self.first_failure.as_deref()?;
        let counts: Vec<String> =
            self.failed.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        Some(format!("unexpected responses: {}; the first: {first}", counts.join(", ")))
    }

    /// Adds what another run measured.
    pub(crate) fn add(&mut self, other: Outcome) -> Result<()> {
        self.measured += other.measured;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.created += other.created;
        self.answered += other.answered;
        self.latency.add(other.latency)?;
        for (status, count) in other.failed {
            *self.failed.entry(status).or_default() += count;
        }
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.secrets.extend(other.secrets);
        Ok(())
    }

    /// Counts a response; `took` is `Some` in the measured time.
    fn record(
        &mut self,
        kind: Kind,
        response: &Response<'_>,
        took: Option<Duration>,
        collect: bool,
    ) {
        self.answered += 1;
        if !kind.satisfied_by(response) {
            *self.failed.entry(response.status()).or_default() += 1;
            if self.first_failure.is_none() {
                self.first_failure = Some(String::from_utf8_lossy(response.raw()).into_owned());
            }
            return;
        }
        if kind == Kind::Create {
            self.created += 1;
            if collect && let Some(secret) = secret(response.raw()) {
                self.secrets.push(secret.to_vec());
            }
        }
        if let Some(took) = took {
            self.measured += 1;
            self.latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
    }
}

/// What the connections of a thread share.
struct Shared {
    outcome: Mutex<Outcome>,
    /// Requests still to send, when they are counted.
    left: Arc<AtomicUsize>,
    /// The measured time.
    window: (Instant, Instant),
    plan: Plan,
}

/// Runs `script` against `target` on every connection of the plan.
///
/// # Errors
///
/// When a connection cannot be made or breaks. A response that is no success is no error here; the
/// outcome counts it.
pub(crate) fn run(target: &Target, script: &Script, plan: Plan) -> Result<Outcome> {
    let count = if let Until::Count(count) = plan.until { count } else { usize::MAX };
    let left = Arc::new(AtomicUsize::new(count));
    let threads = plan.threads.clamp(1, plan.connections.max(1));
    let barrier = Barrier::new(threads);
    let mut total = Outcome::new()?;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|first| {
                let (barrier, left) = (&barrier, Arc::clone(&left));
                let mine: Vec<usize> = (first..plan.connections).step_by(threads).collect();
                scope.spawn(move || thread(target, script, plan, &mine, barrier, left))
            })
            .collect();
        for worker in workers {
            total.add(worker.join().map_err(|_| anyhow!("a thread of the generator died"))??)?;
        }
        Ok(total)
    })
}

/// Drives the connections `mine` to the end of the plan.
fn thread(
    target: &Target,
    script: &Script,
    plan: Plan,
    mine: &[usize],
    barrier: &Barrier,
    left: Arc<AtomicUsize>,
) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connections = runtime.block_on(async {
        let mut connections = Vec::new();
        for _ in mine {
            connections.push(Connection::open(target.address).await?);
        }
        Ok::<_, anyhow::Error>(connections)
    });
    // Every thread reaches the barrier, with or without connections, or the others would wait for ever.
    barrier.wait();
    let connections = connections?;
    let begin = Instant::now();
    let (warm_up, duration) = match plan.until {
        Until::Count(_) => (Duration::ZERO, Duration::from_secs(3_600)),
        Until::Time { warm_up, duration } => (warm_up, duration),
    };
    let window = (begin + warm_up, begin + warm_up + duration);
    let shared = Arc::new(Shared { outcome: Mutex::new(Outcome::new()?), left, window, plan });
    runtime.block_on(async {
        let tasks: Vec<_> = mine
            .iter()
            .zip(connections)
            .map(|(number, connection)| {
                let script = script.for_connection(*number);
                tokio::spawn(drive(connection, script, Arc::clone(&shared), *number))
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    let shared = Arc::into_inner(shared).context("a connection is still running")?;
    let mut outcome = shared.outcome.into_inner();
    outcome.elapsed = match plan.until {
        Until::Count(_) => begin.elapsed(),
        Until::Time { duration, .. } => duration,
    };
    Ok(outcome)
}

/// One connection: a request, its answer, the next.
async fn drive(
    mut connection: Connection,
    mut script: Script,
    shared: Arc<Shared>,
    number: usize,
) -> Result<()> {
    let counted = matches!(shared.plan.until, Until::Count(_));
    let (from, to) = shared.window;
    let mut now = Instant::now();
    // Spread over the interval, not all at once.
    let every = shared.plan.every;
    let mut due = now + every.mul_f64(real(number as u64) / real(shared.plan.connections as u64));
    while now < to {
        if !every.is_zero() {
            tokio::time::sleep_until(due.into()).await;
            // Missed requests are not sent later: that would be a burst.
            due = now.max(due + every);
        }
        if counted
            && shared
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                .is_err()
        {
            break;
        }
        let (kind, request) = script.next();
        let sent = if every.is_zero() { now } else { Instant::now() };
        let response = connection.call(request).await?;
        now = Instant::now();
        let took = (from <= now && now < to).then(|| now.duration_since(sent));
        shared.outcome.lock().record(kind, &response, took, shared.plan.collect_secrets);
    }
    Ok(())
}

/// The secret in the response to a create.
fn secret(raw: &[u8]) -> Option<&[u8]> {
    let mark = b"\"secret\":\"";
    let rest = raw.get(memmem::rfind(raw, mark)? + mark.len()..)?;
    rest.get(..memchr::memchr(b'"', rest)?)
}

/// A count as a floating-point number.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}
