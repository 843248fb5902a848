//! The closed loop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;
use memchr::memmem;
use parking_lot::Mutex;

use crate::client::{Answer, Connection, Target};
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
    /// Whether to keep the secrets that creating keys gives.
    pub(crate) keep_secrets: bool,
    /// How long after a request the next one of its connection is sent, if its answer is there.
    /// Nothing: at once.
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

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Answers as wished in the measured time.
    pub(crate) measured: u64,
    /// The measured time.
    pub(crate) elapsed: Duration,
    /// Answers as wished in all, by kind: created, verified, listed.
    pub(crate) created: u64,
    /// All answers, wished or not, measured or not.
    pub(crate) answered: u64,
    /// Nanoseconds from sending to the end of the answer, of the measured ones.
    pub(crate) latency: Histogram<u64>,
    /// Answers not as wished, by status.
    pub(crate) unwished: BTreeMap<u16, u64>,
    /// The first of them, as it came.
    pub(crate) first_unwished: Option<String>,
    /// The secrets, if they were to be kept.
    pub(crate) secrets: Vec<Vec<u8>>,
}

impl Outcome {
    fn new() -> Result<Outcome> {
        Ok(Outcome {
            measured: 0,
            elapsed: Duration::ZERO,
            created: 0,
            answered: 0,
            latency: Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?,
            unwished: BTreeMap::new(),
            first_unwished: None,
            secrets: Vec::new(),
        })
    }

    /// Answers as wished a second.
    pub(crate) fn per_second(&self) -> f64 {
        real(self.measured) / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// A latency in milliseconds, `quantile` from 0 to 1.
    pub(crate) fn millis(&self, quantile: f64) -> f64 {
        real(self.latency.value_at_quantile(quantile)) / 1e6
    }

    /// One sentence about the answers that were not as wished, if there were any.
    pub(crate) fn complaint(&self) -> Option<String> {
        let first = self.first_unwished.as_deref()?;
        let counts: Vec<String> =
            self.unwished.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        Some(format!("answers not as wished: {}; the first: {first}", counts.join(", ")))
    }

    fn add(&mut self, other: Outcome) -> Result<()> {
        self.measured += other.measured;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.created += other.created;
        self.answered += other.answered;
        self.latency.add(other.latency)?;
        for (status, count) in other.unwished {
            *self.unwished.entry(status).or_default() += count;
        }
        self.first_unwished = self.first_unwished.take().or(other.first_unwished);
        self.secrets.extend(other.secrets);
        Ok(())
    }

    /// Takes down one answer; `took` if it came in the measured time.
    fn note(&mut self, kind: Kind, answer: &Answer<'_>, took: Option<Duration>, keep: bool) {
        self.answered += 1;
        if !kind.satisfied_by(answer) {
            *self.unwished.entry(answer.status()).or_default() += 1;
            if self.first_unwished.is_none() {
                self.first_unwished = Some(String::from_utf8_lossy(answer.raw()).into_owned());
            }
            return;
        }
        if kind == Kind::Create {
            self.created += 1;
            if keep && let Some(secret) = secret(answer.raw()) {
                self.secrets.push(secret.to_vec());
            }
        }
        if let Some(took) = took {
            self.measured += 1;
            self.latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
    }
}

/// What the connections of one thread share.
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
/// When a connection cannot be made or breaks. An answer that is not as wished is no error here;
/// it is in the outcome.
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
    // All threads come here, with connections or without, or the others would wait for ever.
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
    // Not all at once.
    let every = shared.plan.every;
    let mut due = now + every.mul_f64(real(number as u64) / real(shared.plan.connections as u64));
    while now < to {
        if !every.is_zero() {
            tokio::time::sleep_until(due.into()).await;
            // What was missed is not made up for: that would be a burst.
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
        let answer = connection.call(request).await?;
        now = Instant::now();
        let took = (from <= now && now < to).then(|| now.duration_since(sent));
        shared.outcome.lock().note(kind, &answer, took, shared.plan.keep_secrets);
    }
    Ok(())
}

/// The secret in the answer that created a key.
fn secret(raw: &[u8]) -> Option<&[u8]> {
    let mark = b"\"secret\":\"";
    let rest = raw.get(memmem::rfind(raw, mark)? + mark.len()..)?;
    rest.get(..memchr::memchr(b'"', rest)?)
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}
