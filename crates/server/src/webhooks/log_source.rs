//! What a receiver is sent: the events of its account from its place on, and reminders.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use delivery::{Message, Next, OutcomeKind, Position, SinkFormat, Source, Webhook};
use keys::{Account, Dialect, EventKind, Subject, Timestamp};
use ledger::{
    Caller, Entry, EventFilter, Identity, Ledger, Origin, Role, Roles, Scope, Seq, Via, Walk,
};
use prometheus::IntCounter;

use crate::app::App;
use crate::metrics::Metrics;
use crate::webhooks::event_kinds::EventKinds;
use crate::webhooks::message_id;
use crate::webhooks::reminders::{self, Sweep};
use crate::wire;
use crate::wire::Event;

/// The events that are read at once for a webhook: each is some three kilobytes with its receipt.
const BATCH: usize = 16;
/// The same for a sink, which is sent many at a time.
const SINK_BATCH: usize = 128;
/// The pause after a read that could not be done.
const RETRY: Duration = Duration::from_secs(1);
/// After this many such reads in a row the operator hears of it.
const WARN_AT: u32 = 10;
/// How long a webhook without reminders waits to be woken.
const DAY: Duration = Duration::from_secs(86_400);

/// The messages of one receiver.
pub(super) struct LogSource {
    app: App,
    /// Who reads for it: an auditor of its account.
    caller: Caller,
    sent: Arc<Sent>,
    /// What counts its attempts.
    counter: Counter,
    /// When reminders are next looked for, in microseconds since 1970.
    look_at: AtomicI64,
    failures: AtomicU32,
}

/// What a receiver is sent.
struct Sent {
    wanted: EventKinds,
    filter: EventFilter,
    format: SinkFormat,
    /// The most events at once.
    batch: usize,
}

type Counter = fn(&Metrics, OutcomeKind) -> IntCounter;

/// What was read.
struct Found {
    messages: Vec<Message>,
    /// Nothing more up to here.
    reached: Position,
    /// Whether that is the end of what there is.
    is_end: bool,
    /// When to look for reminders again.
    look_at: Option<Timestamp>,
}

impl LogSource {
    /// Those of a webhook.
    pub(super) fn of_webhook(app: App, webhook: &Webhook) -> LogSource {
        let definition = &webhook.definition;
        let wanted = EventKinds::of(definition);
        // Of what was checked when the webhook was made.
        let account: Option<Account> =
            definition.account.as_deref().and_then(|account| account.parse().ok());
        let kind = match wanted.recorded.as_slice() {
            [kind] => Some(*kind),
            _ => None,
        };
        let filter = EventFilter { account: account.clone(), kind, ..EventFilter::default() };
        let scope = match (account, &definition.account) {
            (Some(account), _) => Some(Scope::Account(account)),
            (None, None) => Some(Scope::All),
            (None, Some(_)) => None,
        };
        let sent = Sent { wanted, filter, format: SinkFormat::Ndjson, batch: BATCH };
        LogSource::new(app, reader(scope), sent, Metrics::delivery)
    }

    /// All that is recorded, and reminders, for a sink.
    pub(super) fn of_sink(app: App, format: SinkFormat) -> LogSource {
        let wanted = EventKinds { recorded: EventKind::ALL.to_vec(), expiring: true };
        let sent = Sent { wanted, filter: EventFilter::default(), format, batch: SINK_BATCH };
        LogSource::new(app, reader(Some(Scope::All)), sent, Metrics::sink_write)
    }

    fn new(app: App, caller: Caller, sent: Sent, counter: Counter) -> LogSource {
        let (look_at, failures) = (AtomicI64::new(i64::MIN), AtomicU32::new(0));
        LogSource { app, caller, sent: Arc::new(sent), counter, look_at, failures }
    }

    async fn read(&self, from: Position) -> Result<Found, ledger::Error> {
        let sent = Arc::clone(&self.sent);
        let now = self.app.ledger().now();
        let sweeps = sent.wanted.expiring && now.micros() >= self.look_at.load(Ordering::Relaxed);
        let read = move |ledger: &Ledger, caller: &Caller| {
            let sweep = if sweeps {
                reminders::sweep(ledger, caller, sent.format, &from, now)?
            } else {
                Sweep { messages: Vec::new(), reached: from, look_at: None }
            };
            let Sweep { messages, reached: from, look_at } = sweep;
            if !messages.is_empty() {
                return Ok(Found { messages, reached: from, is_end: false, look_at: None });
            }
            let found = events(ledger, caller, &sent, &from)?;
            Ok(Found { look_at, ..found })
        };
        let found = self.app.read(self.caller.clone(), read).await?;
        if let Some(look_at) = found.look_at {
            self.look_at.store(look_at.micros(), Ordering::Relaxed);
        }
        Ok(found)
    }

    /// How long to wait if nobody wakes the receiver.
    fn wait(&self) -> Duration {
        if !self.sent.wanted.expiring {
            return DAY;
        }
        let look_at = Timestamp::from_micros(self.look_at.load(Ordering::Relaxed));
        Duration::from_micros(look_at.micros_since(self.app.ledger().now()))
    }
}

impl Source for LogSource {
    async fn next(&self, mut from: Position) -> Next {
        loop {
            match self.read(from).await {
                Ok(found) => {
                    self.failures.store(0, Ordering::Relaxed);
                    if !found.messages.is_empty() {
                        return Next::Messages(found.messages);
                    }
                    if found.is_end {
                        return Next::Nothing(found.reached, self.wait());
                    }
                    from = found.reached;
                }
                Err(error) => {
                    if self.failures.fetch_add(1, Ordering::Relaxed) + 1 == WARN_AT {
                        tracing::warn!(%error, "the log cannot be read for a receiver");
                    }
                    return Next::Failed(RETRY);
                }
            }
        }
    }

    fn attempted(&self, outcome: OutcomeKind) {
        (self.counter)(self.app.metrics(), outcome).inc();
    }
}

/// The events from a position on.
fn events(
    ledger: &Ledger,
    caller: &Caller,
    sent: &Sent,
    from: &Position,
) -> Result<Found, ledger::Error> {
    let length = *ledger.length().borrow();
    let position = |next: Seq| Position { next: next.0, reminders: from.reminders.clone() };
    let wanted = &sent.wanted.recorded;
    if wanted.is_empty() {
        let reached = position(length.max(Seq(from.next)));
        return Ok(Found { messages: Vec::new(), reached, is_end: true, look_at: None });
    }
    let page = ledger.events(caller, &sent.filter, Walk::Up(Seq(from.next)), sent.batch)?;
    let reached = match (page.next, page.items.last()) {
        (Some(Walk::Up(next) | Walk::Down(next)), _) => next,
        (None, Some(last)) => last.seq.next().max(length),
        (None, None) => length.max(Seq(from.next)),
    };
    let items = page.items.iter().filter(|entry| wanted.contains(&entry.record.event.kind()));
    let messages = items
        .map(|entry| message(ledger, caller, sent.format, entry, position(entry.seq.next())))
        .collect::<Result<Vec<_>, ledger::Error>>()?;
    let is_end = page.next.is_none();
    Ok(Found { messages, reached: position(reached), is_end, look_at: None })
}

fn message(
    ledger: &Ledger,
    caller: &Caller,
    format: SinkFormat,
    entry: &Entry,
    then: Position,
) -> Result<Message, ledger::Error> {
    let (kind, event) = (entry.record.event.kind(), Event::new(entry));
    let mut body = Vec::with_capacity(4096);
    match format {
        SinkFormat::Ndjson => {
            wire::put_with_receipt(&mut body, &event, &ledger.receipt(caller, entry)?);
        }
        SinkFormat::Ocsf => {
            wire::ocsf(&mut body, kind, &event);
            // The line's end, which not every receiver wants.
            body.truncate(body.trim_ascii_end().len());
        }
        SinkFormat::Cef => wire::cef(&mut body, kind, &event),
    }
    Ok(Message {
        id: message_id::of_event(ledger, entry.seq)?,
        kind: kind.as_str(),
        seq: Some(entry.seq.0),
        body: Bytes::from(body),
        time: entry.record.at.to_string(),
        then,
    })
}

/// Who reads for receivers. Nothing is recorded in its name.
fn reader(scope: Option<Scope>) -> Caller {
    #[expect(clippy::expect_used, reason = "the text is a constant")]
    let subject = Subject::new("webhooks").expect("`webhooks` is a lawful subject");
    // Of an account that cannot be: no role, so that it sees nothing.
    let roles = scope.iter().fold(Roles::default(), |roles, _| roles.with(Role::Auditor));
    let scope = scope.unwrap_or(Scope::All);
    let identity = Identity { subject, scope, roles, via: Via::Worker };
    Caller { identity: Arc::new(identity), dialect: Dialect::Native, origin: Origin::default() }
}
