//! The task of one receiver: it delivers what its source gives, in order, until each is taken.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::Now;
use crate::attempt::{Attempt, Entry, Position, Trouble};
use crate::backoff::{pause_us, spread};
use crate::outcome::{Outcome, OutcomeKind};
use crate::progress::{Progress, Turn};

/// A message to deliver.
#[derive(Clone, Debug)]
pub struct Message {
    /// What names it, a webhook's `webhook-id`: the same for every attempt, and for nothing else.
    pub id: String,
    /// What it is about, in one word.
    pub kind: &'static str,
    /// The event's place in the log; `None` for a reminder.
    pub seq: Option<u64>,
    /// What is sent: one line.
    pub body: Bytes,
    /// When what it tells of happened (RFC 3339).
    pub time: String,
    /// How far the receiver is once the message is delivered.
    pub then: Position,
}

/// What comes after a position.
#[derive(Clone, Debug)]
pub enum Next {
    /// Messages, in order.
    Messages(Vec<Message>),
    /// Nothing up to this position, and as far as is known nothing until then but for what
    /// [`Progress::wake`] says.
    Nothing(Position, Duration),
    /// It cannot be told now; to be tried again after that.
    Failed(Duration),
}

/// Where messages come from.
pub trait Source: Send + Sync + 'static {
    /// What comes after `from`. Cancel safe.
    fn next(&self, from: Position) -> impl Future<Output = Next> + Send;

    /// Hears how each attempt ended.
    fn attempted(&self, outcome: OutcomeKind);
}

/// Where messages go.
pub trait Channel: Send + 'static {
    /// The most messages that are sent at once.
    fn most(&self) -> usize;

    /// Sends messages, in order: all are taken, or all are sent again. Cancelled, they may have been
    /// taken.
    fn send(&mut self, messages: &[Message]) -> impl Future<Output = Outcome> + Send;
}

/// How long a receiver that takes nothing is tried.
#[derive(Clone)]
pub struct Terms {
    /// After how long without a message taken it is given up; `None`: never.
    pub give_up: Option<Duration>,
    /// The longest pause between two attempts.
    pub longest_pause: Duration,
    /// The present moment.
    pub now: Now,
}

/// How a step ended.
enum Step {
    /// Well.
    Done,
    /// The receiver goes on from elsewhere.
    Moved,
    /// It was deleted.
    Deleted,
}

/// Delivers until the receiver is deleted, or this is dropped.
pub async fn run(
    progress: Arc<Progress>,
    source: impl Source,
    channel: impl Channel,
    terms: Terms,
) {
    let mut task = Task { progress, source, channel, terms };
    loop {
        let mut turn = task.progress.turn();
        loop {
            match task.step(&mut turn).await {
                Step::Done => {}
                Step::Moved => break,
                Step::Deleted => return,
            }
        }
    }
}

struct Task<S, C> {
    progress: Arc<Progress>,
    source: S,
    channel: C,
    terms: Terms,
}

impl<S: Source, C: Channel> Task<S, C> {
    /// Delivers what comes next, or waits for it.
    async fn step(&mut self, turn: &mut Turn) -> Step {
        // Before anything is read: what is sent is what the log says then, when somebody may have been
        // erased since the last attempt.
        let from = turn.position.clone();
        let next = tokio::select! {
            biased;
            deleted = turn.over() => return over(deleted),
            next = async {
                due(self.progress.trouble(), &self.terms.now).await;
                self.source.next(from).await
            } => next,
        };
        let (wait, idle) = match next {
            Next::Messages(messages) => {
                for messages in messages.chunks(self.channel.most().max(1)) {
                    match self.deliver(messages, turn).await {
                        Step::Done if self.progress.trouble().is_none() => {}
                        step @ (Step::Done | Step::Moved | Step::Deleted) => return step,
                    }
                }
                return Step::Done;
            }
            Next::Nothing(position, wait) => {
                if position != turn.position {
                    turn.position = position.clone();
                    let trouble = self.progress.trouble();
                    let entry = Entry { trouble, ..Entry::at(position) };
                    record(Arc::clone(&self.progress), turn.epoch, entry).await;
                }
                (wait, true)
            }
            Next::Failed(wait) => (wait, false),
        };
        self.progress.set_idle(idle);
        let step = tokio::select! {
            biased;
            deleted = turn.over() => over(deleted),
            () = self.progress.woken(), if idle => Step::Done,
            () = tokio::time::sleep(wait) => Step::Done,
        };
        self.progress.set_idle(false);
        step
    }

    /// Tries once to have the messages taken.
    async fn deliver(&mut self, messages: &[Message], turn: &mut Turn) -> Step {
        let Some(last) = messages.last() else { return Step::Done };
        let before = self.progress.trouble();
        let (at, began) = ((self.terms.now)(), Instant::now());
        let outcome = tokio::select! {
            biased;
            deleted = turn.over() => return over(deleted),
            outcome = self.channel.send(messages) => outcome,
        };
        self.source.attempted(outcome.kind);
        let attempt = Attempt {
            at,
            message: last.id.clone(),
            kind: last.kind.to_owned(),
            seq: last.seq,
            number: before.map_or(0, |before| before.failures).saturating_add(1),
            outcome: outcome.kind,
            status: outcome.status,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let trouble = self.trouble_after(before, outcome);
        self.log(before, trouble, outcome);
        if trouble.is_none() {
            turn.position = last.then.clone();
        }
        let position = turn.position.clone();
        let entry = Entry { trouble, attempt: Some(attempt), ..Entry::at(position) };
        record(Arc::clone(&self.progress), turn.epoch, entry).await;
        Step::Done
    }

    fn trouble_after(&self, before: Option<Trouble>, outcome: Outcome) -> Option<Trouble> {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let give_up = self.terms.give_up.map(micros);
        let pause = |failures| pause_us(failures, spread(), micros(self.terms.longest_pause));
        Trouble::after(before, outcome, (self.terms.now)(), pause, give_up)
    }

    /// Says what changed, once.
    fn log(&self, before: Option<Trouble>, after: Option<Trouble>, outcome: Outcome) {
        let receiver = self.progress.name();
        let (outcome, status) = (outcome.kind.as_str(), outcome.status.unwrap_or(0));
        match (before, after) {
            (None, Some(Trouble { retry_at: Some(_), .. })) => tracing::warn!(
                receiver,
                outcome,
                status,
                "a receiver takes nothing; it is tried again"
            ),
            (_, Some(Trouble { retry_at: None, failures, .. })) => tracing::error!(
                receiver,
                outcome,
                status,
                failures,
                "a receiver is failing: it was given up, and a replay starts it again"
            ),
            (Some(Trouble { failures, .. }), None) => {
                tracing::info!(receiver, failures, "a receiver takes what is sent again");
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
    }
}

/// Waits until the next attempt is due: for ever, if it was given up.
async fn due(trouble: Option<Trouble>, now: &Now) {
    match trouble {
        None => {}
        Some(Trouble { retry_at: None, .. }) => std::future::pending().await,
        Some(Trouble { retry_at: Some(at), .. }) => {
            let left = at.saturating_sub(now());
            tokio::time::sleep(Duration::from_micros(u64::try_from(left).unwrap_or(0))).await;
        }
    }
}

/// Records on a thread that may wait for the disk.
async fn record(progress: Arc<Progress>, epoch: u64, entry: Entry) {
    let recorded = tokio::task::spawn_blocking(move || progress.record(epoch, entry)).await;
    if let Err(error) = recorded {
        tracing::error!(%error, "how far a receiver is was not recorded");
    }
}

fn over(deleted: bool) -> Step {
    if deleted { Step::Deleted } else { Step::Moved }
}
