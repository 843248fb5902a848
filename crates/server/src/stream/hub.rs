//! The hub: one task that takes committed events and delivers them to all streams.
//!
//! It wakes once for a group of commits, adds each event to the topics whose filter matches, and
//! gives a stream its next text when the client has taken the one before. The processor time for this is
//! limited (`pace`) and shared between accounts in turn (`round_robin`). A stream that is slower than the
//! cache of texts reads the log from its position, through the read pool, and joins the others near the end.

mod reading;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use keys::Account;
use ledger::{Caller, Followed, Seq};
use tokio::sync::watch;
use tokio::time::Instant;

use self::reading::Behind;
use super::bounds::Bounds;
use super::pace::Pace;
use super::round_robin::RoundRobin;
use super::subscription::{Inbox, Shared, Slot, Subscription};
use super::topics::{Id, Next, TopicId, Topics};
use crate::app::App;
use crate::auth::bearer::{Bearer, TokenChanges};

/// Streams that wait for their turn, by account.
type Queue = RoundRobin<Option<Account>, Id>;

const HEARTBEAT: &[u8] = b": heartbeat\n\n";
/// Heartbeats that are due within this time are sent together.
const HEARTBEAT_SLACK: Duration = Duration::from_millis(50);
/// From this many messages in one pass on, the next pass is delayed so that more are collected.
const MANY_MESSAGES: usize = 8;
/// The delay.
const COALESCE_DELAY: Duration = Duration::from_millis(1);
/// After this many events the hub yields its thread to other tasks.
const YIELD_EVERY: usize = 64;
/// The most events that are taken before texts are delivered.
const MAX_TAKEN: usize = 4_096;

/// What a stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamState {
    /// For the client to take its text.
    Sending,
    /// For its turn in the delivery queue.
    Queued,
    /// For new events: it has been given everything.
    Idle,
    /// For a read of the log.
    Behind,
}

/// A stream.
struct Stream {
    slot: Arc<Slot>,
    topic: TopicId,
    share: Option<Account>,
    caller: Caller,
    /// The position after the last event that it was given.
    next: Seq,
    /// Whether the client has taken its text and waits for the next.
    ready: bool,
    state: StreamState,
    bearer: Bearer,
    /// When it was last given a text.
    last: Instant,
    /// When it is next checked for a heartbeat and for its token.
    deadline: Instant,
}

pub(super) struct Hub {
    app: App,
    shared: Arc<Shared>,
    bounds: Bounds,
    following: Option<ledger::Following>,
    topics: Topics,
    streams: HashMap<Id, Stream>,
    deadlines: BTreeSet<(Instant, Id)>,
    delivery_queue: Queue,
    behind: HashMap<TopicId, Behind>,
    /// Topics that wait for a read of the log.
    read_queue: RoundRobin<Option<Account>, TopicId>,
    /// Topics whose read was refused, and when it is retried.
    retries: Vec<(Instant, TopicId)>,
    active_reads: usize,
    pace: Pace,
    wakers: Vec<Waker>,
    /// When committed events are next taken.
    take_at: Instant,
    /// When the inbox is next drained.
    inbox_at: Instant,
    /// When heartbeats are next sent.
    heartbeats_at: Instant,
}

impl Hub {
    pub(super) fn new(app: App, shared: Arc<Shared>, bounds: Bounds) -> Hub {
        let now = Instant::now();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Hub {
            app,
            shared,
            bounds,
            following: None,
            topics: Topics::new(bounds),
            streams: HashMap::new(),
            deadlines: BTreeSet::new(),
            delivery_queue: RoundRobin::new(),
            behind: HashMap::new(),
            read_queue: RoundRobin::new(),
            retries: Vec::new(),
            active_reads: 0,
            pace: Pace::new(processors, bounds.cpu_divisor, now),
            wakers: Vec::new(),
            take_at: now,
            inbox_at: now,
            heartbeats_at: now,
        }
    }

    /// Serves the streams until the service stops; then it ends them all.
    pub(super) async fn run(mut self) {
        let (mut stopping, mut tokens) = (self.app.stopping(), TokenChanges::of(self.app.auth()));
        while !*stopping.borrow_and_update() {
            if tokens.have_changed() {
                self.end_withdrawn();
            }
            self.drain_inbox();
            self.take().await;
            let now = Instant::now();
            self.send_heartbeats(now);
            self.deliver(now);
            self.start_reads();
            for waker in self.wakers.drain(..) {
                waker.wake();
            }
            self.wait(&mut stopping, &mut tokens).await;
        }
        let inbox = {
            let mut inbox = self.shared.inbox.lock();
            std::mem::replace(&mut *inbox, Inbox { closed: true, ..Inbox::default() })
        };
        let subscribed = inbox.subscribed.iter().map(|subscription| &subscription.slot);
        for slot in self.streams.values().map(|stream| &stream.slot).chain(subscribed) {
            slot.end();
        }
    }

    /// Waits for something to do.
    async fn wait(&mut self, stopping: &mut watch::Receiver<bool>, tokens: &mut TokenChanges) {
        let now = Instant::now();
        let (mut listens, mut looks) = (self.following.is_some(), true);
        let deadline = self.deadlines.first().map(|(deadline, _)| *deadline);
        let mut until = deadline.map(|deadline| deadline.max(self.heartbeats_at));
        let mut no_later = |when: Instant| until = Some(until.map_or(when, |it| it.min(when)));
        let can_read =
            !self.read_queue.is_empty() && self.active_reads < self.bounds.concurrent_reads;
        if !self.delivery_queue.is_empty() || can_read {
            no_later(self.pace.next_burst(now));
        }
        if let Some((when, _)) = self.retries.first() {
            no_later(*when);
        }
        if listens && now < self.take_at {
            listens = false;
            no_later(self.take_at);
        }
        if now < self.inbox_at {
            looks = false;
            no_later(self.inbox_at);
        } else if !self.shared.inbox.lock().ready.is_empty() {
            // A client that became ready during the delivery did not wake the hub.
            return;
        }
        let timer = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let committed = async {
            match &mut self.following {
                Some(following) if listens => following.changed().await,
                Some(_) | None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stopping.changed() => {}
            () = tokens.wait() => {}
            () = committed => {}
            () = self.shared.changed.notified(), if looks => {}
            () = timer => {}
        }
    }

    /// Handles the messages of connections and of the read pool.
    fn drain_inbox(&mut self) {
        let inbox = std::mem::take(&mut *self.shared.inbox.lock());
        let Inbox { subscribed, ready, disconnected, reads, last_write, forget, closed: _ } = inbox;
        if subscribed.len() + ready.len() + disconnected.len() + reads.len() >= MANY_MESSAGES {
            self.inbox_at = Instant::now() + COALESCE_DELAY;
        }
        if let Some((bytes, took)) = last_write {
            self.pace.measured(bytes, took);
        }
        if forget {
            self.topics.forget();
        }
        for subscription in subscribed {
            self.join(subscription);
        }
        for read in reads {
            self.finish_read(read);
        }
        for id in ready {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.ready = true;
                if stream.state == StreamState::Sending {
                    stream.state = StreamState::Queued;
                    self.delivery_queue.push(&stream.share, id);
                }
            }
        }
        for id in disconnected {
            self.leave(id);
        }
        let now = Instant::now();
        while let Some((_, topic)) = self.retries.first().filter(|(when, _)| *when <= now).copied()
        {
            self.retries.remove(0);
            self.request_read(topic);
        }
    }

    fn join(&mut self, subscription: Subscription) {
        let Subscription { id, slot, filter, caller, next, bearer } = subscription;
        if self.following.is_none() {
            let following = self.app.ledger().follow();
            self.topics.missed(following.next());
            self.following = Some(following);
        }
        let now = Instant::now();
        let deadline =
            now + self.bounds.heartbeat.min(bearer.left(self.app.auth(), self.app.ledger().now()));
        self.deadlines.insert((deadline, id));
        let share = caller.identity.scope.account().cloned();
        let topic = self.topics.join(filter);
        let (ready, state, last) = (false, StreamState::Sending, now);
        let stream =
            Stream { slot, topic, share, caller, next, ready, state, bearer, last, deadline };
        self.streams.insert(id, stream);
    }

    /// Ends the streams whose token was ended, or is signed by a key that was removed.
    fn end_withdrawn(&mut self) {
        let over = self
            .streams
            .iter()
            .filter(|(_, stream)| !stream.bearer.is_good(self.app.auth(), self.app.ledger().now()));
        let over: Vec<Id> = over.map(|(id, _)| *id).collect();
        for id in over {
            self.end(id);
        }
    }

    fn leave(&mut self, id: Id) {
        let Some(stream) = self.streams.remove(&id) else { return };
        self.deadlines.remove(&(stream.deadline, id));
        self.topics.leave(stream.topic, id);
        if self.topics.filter(stream.topic).is_none() {
            self.behind.remove(&stream.topic);
        }
        if self.streams.is_empty() {
            // Without a follower the writer buffers nothing.
            self.following = None;
        }
    }

    fn end(&mut self, id: Id) {
        if let Some(stream) = self.streams.get(&id) {
            stream.slot.end();
        }
        self.leave(id);
    }

    /// Takes committed events and adds them to the topics.
    async fn take(&mut self) {
        let Some(following) = &mut self.following else { return };
        if Instant::now() < self.take_at {
            return;
        }
        let mut shown = 0;
        while shown < MAX_TAKEN
            && let Some(followed) = following.take()
        {
            match followed {
                Followed::Missed(at) => self.topics.missed(at),
                Followed::Entries(entries) => {
                    let at = self.topics.at();
                    for entry in entries.iter().filter(|entry| entry.seq >= at) {
                        self.topics.show(entry);
                        shown += 1;
                        if self.topics.is_long() {
                            publish(&mut self.topics, &mut self.streams, &mut self.delivery_queue);
                        }
                        if shown % YIELD_EVERY == 0 {
                            tokio::task::yield_now().await;
                        }
                    }
                }
            }
        }
        if shown > 0 {
            publish(&mut self.topics, &mut self.streams, &mut self.delivery_queue);
            self.take_at = Instant::now() + self.bounds.batch_interval;
        }
        self.shared.at.store(self.topics.at().0, Ordering::SeqCst);
    }

    /// Sends heartbeats to idle streams, and ends those whose token has expired.
    fn send_heartbeats(&mut self, now: Instant) {
        while let Some((deadline, id)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.heartbeats_at = now + HEARTBEAT_SLACK;
            self.deadlines.remove(&(deadline, id));
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let left = stream.bearer.left(self.app.auth(), self.app.ledger().now());
            if left.is_zero() {
                self.end(id);
                continue;
            }
            let heartbeat = self.bounds.heartbeat;
            let quiet = now >= stream.last + heartbeat;
            if quiet && stream.ready {
                if stream.state == StreamState::Idle {
                    self.topics.not_idle(stream.topic, id);
                    stream.state = StreamState::Sending;
                }
                stream.ready = false;
                stream.last = now;
                let text = Bytes::from_static(HEARTBEAT);
                self.wakers.extend(stream.slot.put(text, stream.next));
            }
            // A client that takes nothing is not checked continuously.
            let from = if quiet { now } else { stream.last };
            stream.deadline = (from + heartbeat).min(now + left);
            self.deadlines.insert((stream.deadline, id));
        }
    }

    /// Delivers texts in the order of the queue while there is credit.
    fn deliver(&mut self, now: Instant) {
        while !self.delivery_queue.is_empty() && self.pace.has_credit(now) {
            let Some(id) = self.delivery_queue.pop() else { return };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            if !stream.ready {
                stream.state = StreamState::Sending;
                continue;
            }
            match self.topics.next(stream.topic, stream.next) {
                Next::Text(text, next) => {
                    self.pace.deliver(text.len());
                    stream.next = next;
                    stream.ready = false;
                    stream.state = StreamState::Sending;
                    stream.last = now;
                    self.wakers.extend(stream.slot.put(text, next));
                }
                Next::Nothing => {
                    stream.next = stream.next.max(self.topics.at());
                    stream.state = StreamState::Idle;
                    self.topics.idle(stream.topic, id);
                }
                Next::Behind => {
                    stream.state = StreamState::Behind;
                    let topic = stream.topic;
                    self.behind.entry(topic).or_default().streams.push(id);
                    self.request_read(topic);
                }
            }
        }
    }
}

/// Completes the pieces under construction, and queues the streams that wait for them.
fn publish(topics: &mut Topics, streams: &mut HashMap<Id, Stream>, queue: &mut Queue) {
    for id in topics.publish() {
        if let Some(stream) = streams.get_mut(&id) {
            stream.state = StreamState::Queued;
            queue.push(&stream.share, id);
        }
    }
}
