//! The task of one webhook: it delivers what its source gives, in order, until each is taken.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::Now;
use crate::attempt::{Attempt, Entry, Position, Trouble};
use crate::backoff::{pause_us, spread};
use crate::outcome::{Outcome, OutcomeKind};
use crate::poster::{Line, Poster};
use crate::signing::{SigningKey, sign};
use crate::webhook::{Turn, Webhook};

/// A message to deliver.
#[derive(Clone, Debug)]
pub struct Message {
    /// The `webhook-id`: the same for every attempt, and for nothing else.
    pub id: String,
    /// What it is about, in one word.
    pub kind: &'static str,
    /// The event's place in the log; `None` for a reminder.
    pub seq: Option<u64>,
    /// What is posted: JSON.
    pub body: Bytes,
    /// How far the webhook is once the message is delivered.
    pub then: Position,
}

/// What comes after a position.
#[derive(Clone, Debug)]
pub enum Next {
    /// Messages, in order.
    Messages(Vec<Message>),
    /// Nothing up to this position, and as far as is known nothing until then but for what
    /// [`Webhook::wake`] says.
    Nothing(Position, Duration),
    /// It cannot be told now; to be tried again after that.
    Failed(Duration),
}

/// Where messages come from.
pub trait Source: Send + Sync + 'static {
    /// What comes after `from`. Cancel safe.
    fn next(&self, webhook: &Webhook, from: Position) -> impl Future<Output = Next> + Send;

    /// Hears how each attempt ended.
    fn attempted(&self, outcome: OutcomeKind);
}

/// What delivers for all webhooks alike.
pub struct Courier {
    /// What posts.
    pub poster: Poster,
    /// What signs, beside each webhook's own secret.
    pub key: Arc<SigningKey>,
    /// After how long without a message taken a receiver is given up.
    pub give_up: Duration,
    /// The present moment.
    pub now: Now,
}

/// How a step ended.
enum Step {
    /// Well.
    Done,
    /// The webhook goes on from elsewhere.
    Moved,
    /// It was deleted.
    Deleted,
}

/// Delivers until the webhook is deleted, or this is dropped.
pub async fn run(webhook: Arc<Webhook>, source: impl Source, courier: Arc<Courier>) {
    let mut task = Task { webhook, source, courier, line: Line::default() };
    loop {
        let mut turn = task.webhook.turn();
        loop {
            match task.step(&mut turn).await {
                Step::Done => {}
                Step::Moved => break,
                Step::Deleted => return,
            }
        }
    }
}

struct Task<S> {
    webhook: Arc<Webhook>,
    source: S,
    courier: Arc<Courier>,
    line: Line,
}

impl<S: Source> Task<S> {
    /// Delivers what comes next, or waits for it.
    async fn step(&mut self, turn: &mut Turn) -> Step {
        let from = turn.position.clone();
        let next = tokio::select! {
            biased;
            deleted = turn.over() => return over(deleted),
            next = self.source.next(&self.webhook, from) => next,
        };
        let (wait, idle) = match next {
            Next::Messages(messages) => {
                for message in messages {
                    match self.deliver(&message, turn).await {
                        Step::Done => turn.position = message.then,
                        step @ (Step::Moved | Step::Deleted) => return step,
                    }
                }
                return Step::Done;
            }
            Next::Nothing(position, wait) => {
                if position != turn.position {
                    turn.position = position.clone();
                    let trouble = self.webhook.trouble();
                    self.record(turn.epoch, Entry { position, trouble, attempt: None }).await;
                }
                (wait, true)
            }
            Next::Failed(wait) => (wait, false),
        };
        self.webhook.set_idle(idle);
        let step = tokio::select! {
            biased;
            deleted = turn.over() => over(deleted),
            () = self.webhook.woken(), if idle => Step::Done,
            () = tokio::time::sleep(wait) => Step::Done,
        };
        self.webhook.set_idle(false);
        step
    }

    /// Tries until the message is taken.
    async fn deliver(&mut self, message: &Message, turn: &mut Turn) -> Step {
        loop {
            let before = self.webhook.trouble();
            tokio::select! {
                biased;
                deleted = turn.over() => return over(deleted),
                () = self.due(before) => {}
            }
            let (at, began) = ((self.courier.now)(), Instant::now());
            let outcome = tokio::select! {
                biased;
                deleted = turn.over() => return over(deleted),
                outcome = self.attempt(message) => outcome,
            };
            self.source.attempted(outcome.kind);
            let attempt = Attempt {
                at,
                message: message.id.clone(),
                kind: message.kind.to_owned(),
                seq: message.seq,
                number: before.map_or(0, |before| before.failures).saturating_add(1),
                outcome: outcome.kind,
                status: outcome.status,
                took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            };
            let trouble = self.trouble_after(before, outcome);
            self.log(before, trouble, outcome);
            let delivered = trouble.is_none();
            let position = if delivered { &message.then } else { &turn.position };
            let entry = Entry { position: position.clone(), trouble, attempt: Some(attempt) };
            self.record(turn.epoch, entry).await;
            if delivered {
                return Step::Done;
            }
        }
    }

    /// Waits until the next attempt is due: for ever, if it was given up.
    async fn due(&self, trouble: Option<Trouble>) {
        match trouble {
            None => {}
            Some(Trouble { retry_at: None, .. }) => std::future::pending().await,
            Some(Trouble { retry_at: Some(at), .. }) => {
                let left = at.saturating_sub((self.courier.now)());
                let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
                tokio::time::sleep(left).await;
            }
        }
    }

    async fn attempt(&mut self, message: &Message) -> Outcome {
        let Courier { poster, key, now, .. } = &*self.courier;
        let definition = &self.webhook.definition;
        let timestamp = now().div_euclid(1_000_000);
        let signature = sign(&definition.secret, key, &message.id, timestamp, &message.body);
        let headers = [
            ("webhook-id", message.id.as_str()),
            ("webhook-timestamp", &timestamp.to_string()),
            ("webhook-signature", &signature),
        ];
        poster.post(&mut self.line, &definition.target, &headers, message.body.clone()).await
    }

    fn trouble_after(&self, before: Option<Trouble>, outcome: Outcome) -> Option<Trouble> {
        let give_up = i64::try_from(self.courier.give_up.as_micros()).unwrap_or(i64::MAX);
        let pause = |failures| pause_us(failures, spread());
        Trouble::after(before, outcome, (self.courier.now)(), pause, give_up)
    }

    /// Says what changed, once.
    fn log(&self, before: Option<Trouble>, after: Option<Trouble>, outcome: Outcome) {
        let (webhook, outcome, status) =
            (self.webhook.id(), outcome.kind.as_str(), outcome.status.unwrap_or(0));
        match (before, after) {
            (None, Some(Trouble { retry_at: Some(_), .. })) => tracing::warn!(
                %webhook, outcome, status,
                "a webhook's receiver takes nothing; it is tried again"
            ),
            (_, Some(Trouble { retry_at: None, failures, .. })) => tracing::error!(
                %webhook, outcome, status, failures,
                "a webhook is failing: its receiver was given up, and a replay starts it again"
            ),
            (Some(Trouble { failures, .. }), None) => {
                tracing::info!(%webhook, failures, "a webhook's receiver takes events again");
            }
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    /// Records on a thread that may wait for the disk.
    async fn record(&self, epoch: u64, entry: Entry) {
        let webhook = Arc::clone(&self.webhook);
        let recorded = tokio::task::spawn_blocking(move || webhook.record(epoch, entry)).await;
        if let Err(error) = recorded {
            tracing::error!(%error, "how far a webhook is was not recorded");
        }
    }
}

fn over(deleted: bool) -> Step {
    if deleted { Step::Deleted } else { Step::Moved }
}
