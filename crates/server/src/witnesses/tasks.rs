//! The tasks: one that begins rounds, and one for each witness.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use delivery::Line;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::Inner;
use super::exchange::{Failure, Outcome, judge, request};
use super::rounds::Round;
use crate::app::App;

/// The least time between two requests to a witness, and between two rounds.
const PULSE: Duration = Duration::from_secs(1);
/// How long a round lasts that no quorum cosigns.
const PATIENCE: Duration = Duration::from_secs(10);
/// After how long the same checkpoint is cosigned again: it says that there still was no larger one.
const AGAIN: Duration = Duration::from_secs(60);
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Has the witnesses cosign what the log signs, for ever. Without witnesses it does nothing.
pub async fn gather_cosignatures(app: App) {
    let Some(inner) = app.config().witnesses.0.clone() else { return };
    let rounds = watch::Sender::new(None);
    let mut tasks = JoinSet::new();
    for place in 0..inner.all.len() {
        tasks.spawn(follow(app.clone(), Arc::clone(&inner), place, rounds.subscribe()));
    }
    let mut ticks = tokio::time::interval(PULSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut began = Instant::now();
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                if let Some(round) = next_round(&app, &inner, began.elapsed()) {
                    began = Instant::now();
                    rounds.send_replace(Some(round));
                }
            }
            Some(Err(error)) = tasks.join_next() => {
                tracing::error!(%error, "the task of a witness ended badly");
            }
        }
    }
}

/// Begins a round if one is due, `age` after the one before.
fn next_round(app: &App, inner: &Inner, age: Duration) -> Option<Round> {
    let checkpoint = app.ledger().checkpoint().ok()?;
    let mut state = inner.state.lock();
    if let Some((newest, is_cosigned)) = state.rounds.newest() {
        let is_over = is_cosigned || age >= PATIENCE;
        let is_new = newest.checkpoint.size != checkpoint.size || age >= AGAIN;
        if !is_over || !is_new {
            return None;
        }
    }
    Some(state.rounds.begin(checkpoint))
}

/// What a witness's task remembers between two requests.
#[derive(Default)]
struct Memory {
    /// What the witness cosigned last, as far as it said so.
    old: u64,
    /// The connection.
    line: Line,
    /// The round that it cosigned last.
    done: u64,
    /// How often it failed since.
    failures: u32,
    /// How it failed the last time.
    failure: Option<&'static str>,
}

/// Sends every round to a witness that comes while it is not busy.
async fn follow(
    app: App,
    inner: Arc<Inner>,
    place: usize,
    mut rounds: watch::Receiver<Option<Round>>,
) {
    let Some(name) = inner.all.get(place).map(|witness| witness.key().name().to_owned()) else {
        return;
    };
    let mut memory = Memory::default();
    loop {
        let done = memory.done;
        let is_new =
            |round: &Option<Round>| round.as_ref().is_some_and(|round| round.number > done);
        let Ok(round) = rounds.wait_for(is_new).await.map(|round| round.clone()) else { return };
        let Some(round) = round else { return };
        let sent = Instant::now();
        let outcome = send(&app, &inner, place, &mut memory, &round).await;
        app.metrics().witnesses().count(&name, outcome.as_str());
        let pause = memory.take(&name, &round, &outcome);
        if let Outcome::Cosigned(line) = outcome {
            let changed = {
                let mut state = inner.state.lock();
                if let Some(progress) = state.witnesses.get_mut(place) {
                    (progress.size, progress.at) = (round.checkpoint.size, Instant::now());
                }
                let changed = state.rounds.add(round.number, place, line);
                if changed {
                    state.quorum_at = Instant::now();
                }
                changed
            };
            if changed {
                write(&inner).await;
            }
        }
        tokio::time::sleep_until((sent + pause).into()).await;
    }
}

/// Sends a round to a witness.
async fn send(
    app: &App,
    inner: &Inner,
    place: usize,
    memory: &mut Memory,
    round: &Round,
) -> Outcome {
    let Some(witness) = inner.all.get(place) else { return Outcome::Failed(Failure::Unproved) };
    let (old, size) = (memory.old.min(round.checkpoint.size), round.checkpoint.size);
    let proof = app.read_public(move |ledger| ledger.growth(old, size)).await;
    let body = proof.ok().and_then(|proof| request(old, proof, &round.checkpoint));
    let Some(body) = body else { return Outcome::Failed(Failure::Unproved) };
    let headers = [("content-type", "text/plain; charset=utf-8")];
    let body = Bytes::from(body);
    let answer = inner.poster.request(&mut memory.line, witness.target(), &headers, body).await;
    match answer {
        Ok(answer) => judge(&answer, old, &round.checkpoint, witness.key()),
        Err(kind) => Outcome::Failed(Failure::Unanswered(kind)),
    }
}

impl Memory {
    /// Remembers what came of a round, logs what is new of it, and says after how long, from the
    /// request on, the next one may be sent.
    fn take(&mut self, witness: &str, round: &Round, outcome: &Outcome) -> Duration {
        match outcome {
            Outcome::Cosigned(_) => {
                if self.failure.take().is_some() {
                    tracing::info!(witness, "the witness cosigns again");
                }
                self.failures = 0;
                (self.old, self.done) = (round.checkpoint.size, round.number);
                PULSE
            }
            Outcome::OtherSize(size) => {
                self.old = *size;
                // Once, at the beginning, that is to be expected.
                self.failures += 1;
                self.pause(1)
            }
            Outcome::Failed(failure) => {
                let is_alarm = matches!(failure, Failure::Ahead(_) | Failure::Inconsistent);
                if self.failure.replace(failure.as_str()) != Some(failure.as_str()) {
                    let sentence = failure.sentence();
                    if is_alarm {
                        tracing::error!(witness, "the witness does not cosign: {sentence}");
                    } else {
                        tracing::warn!(witness, "the witness does not cosign: {sentence}");
                    }
                }
                // It may have been a lie: the witness says it again.
                if is_alarm {
                    self.old = 0;
                }
                self.failures += 1;
                self.pause(0)
            }
        }
    }

    /// Twice as long after each failure but the first `free` ones.
    fn pause(&self, free: u32) -> Duration {
        let doublings = self.failures.saturating_sub(free).min(6);
        (PULSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
    }
}

/// Writes the newest cosigned checkpoint, if the file has another one.
async fn write(inner: &Arc<Inner>) {
    let mut written = inner.written.lock().await;
    let Some((_, note)) = inner.state.lock().rounds.cosigned() else { return };
    if written.as_ref() == Some(&note) {
        return;
    }
    let (path, bytes) = (inner.file.clone(), Arc::clone(&note));
    let done =
        tokio::task::spawn_blocking(move || eventlog::files::replace(&path, bytes.as_bytes()));
    match done.await {
        Ok(Ok(())) => *written = Some(note),
        Ok(Err(error)) => tracing::warn!(%error, "the cosigned checkpoint was not written"),
        Err(error) => tracing::error!(%error, "the cosigned checkpoint was not written"),
    }
}
