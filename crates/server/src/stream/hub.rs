//! The hub: one task that takes what is committed and hands it to all streams.
//!
//! It is woken once for what was committed meanwhile, shows each event in the topics that want it,
//! and gives a stream its next text when the client has taken the one before. What that may cost
//! is bounded (`pace`), and accounts take turns (`turns`). A stream that is too slow for the texts
//! that are held reads the log from where it is, through the read pool, and comes back to the
//! others when it is near the end.

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
use super::seat::{Inbox, Joining, Seat, Shared};
use super::topics::{Id, Next, TopicId, Topics};
use super::turns::Turns;
use crate::app::App;
use crate::auth::bearer::{Bearer, KeyChanges};

const HEARTBEAT: &[u8] = b": heartbeat\n\n";
/// Heartbeats within this are sent together.
const TOGETHER: Duration = Duration::from_millis(50);
/// When so much was said at once, more is waited for.
const MUCH: usize = 8;
/// That long.
const PAUSE: Duration = Duration::from_millis(1);
/// Events shown before others get the thread.
const AT_ONCE: usize = 64;
/// Events shown before texts are handed out.
const MOST: usize = 4_096;

/// Where a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    /// The client has something to take.
    Client,
    /// It waits for its turn.
    Turn,
    /// It has everything.
    Idle,
    /// The log is read for it.
    Behind,
}

/// A stream.
struct Stream {
    seat: Arc<Seat>,
    topic: TopicId,
    share: Option<Account>,
    caller: Caller,
    /// Everything before is given out.
    next: Seq,
    /// Whether the client has taken everything.
    hungry: bool,
    spot: Spot,
    bearer: Bearer,
    /// When the last byte was given out.
    last: Instant,
    /// When it is looked at again.
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
    turns: Turns<Option<Account>, Id>,
    behind: HashMap<TopicId, Behind>,
    /// Topics to be read for.
    reads: Turns<Option<Account>, TopicId>,
    /// Topics whose reading was refused, and when it is tried again.
    again: Vec<(Instant, TopicId)>,
    reading: usize,
    pace: Pace,
    wakers: Vec<Waker>,
    /// When what is committed is looked at again.
    listen_at: Instant,
    /// When what clients say is looked at again.
    look_at: Instant,
    /// When it is looked again who got nothing for a while.
    beat_at: Instant,
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
            turns: Turns::new(),
            behind: HashMap::new(),
            reads: Turns::new(),
            again: Vec::new(),
            reading: 0,
            pace: Pace::new(processors, bounds.share, now),
            wakers: Vec::new(),
            listen_at: now,
            look_at: now,
            beat_at: now,
        }
    }

    /// Serves the streams until the service stops; then it ends them all.
    pub(super) async fn run(mut self) {
        let (mut stopping, mut keys) = (self.app.stopping(), KeyChanges::of(self.app.auth()));
        while !*stopping.borrow_and_update() {
            if keys.have_changed() {
                self.end_withdrawn();
            }
            self.look();
            self.take().await;
            let now = Instant::now();
            self.beat(now);
            self.serve(now);
            self.read();
            for waker in self.wakers.drain(..) {
                waker.wake();
            }
            self.wait(&mut stopping, &mut keys).await;
        }
        let inbox = {
            let mut inbox = self.shared.inbox.lock();
            std::mem::replace(&mut *inbox, Inbox { closed: true, ..Inbox::default() })
        };
        let joining = inbox.joining.iter().map(|joining| &joining.seat);
        for seat in self.streams.values().map(|stream| &stream.seat).chain(joining) {
            seat.end();
        }
    }

    /// Waits for something to do.
    async fn wait(&mut self, stopping: &mut watch::Receiver<bool>, keys: &mut KeyChanges) {
        let now = Instant::now();
        let (mut listens, mut looks) = (self.following.is_some(), true);
        let deadline = self.deadlines.first().map(|(deadline, _)| *deadline);
        let mut until = deadline.map(|deadline| deadline.max(self.beat_at));
        let mut no_later = |when: Instant| until = Some(until.map_or(when, |it| it.min(when)));
        let reads = !self.reads.is_empty() && self.reading < self.bounds.reads;
        if !self.turns.is_empty() || reads {
            no_later(self.pace.next_burst(now));
        }
        if let Some((when, _)) = self.again.first() {
            no_later(*when);
        }
        if listens && now < self.listen_at {
            listens = false;
            no_later(self.listen_at);
        }
        if now < self.look_at {
            looks = false;
            no_later(self.look_at);
        } else if !self.shared.inbox.lock().hungry.is_empty() {
            // Who came while everything was given out did not wake the hub, and may have missed it.
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
            () = keys.wait() => {}
            () = committed => {}
            () = self.shared.changed.notified(), if looks => {}
            () = timer => {}
        }
    }

    /// Takes what clients and the read pool say.
    fn look(&mut self) {
        let inbox = std::mem::take(&mut *self.shared.inbox.lock());
        let Inbox { joining, hungry, gone, read, written, closed: _ } = inbox;
        if joining.len() + hungry.len() + gone.len() + read.len() >= MUCH {
            self.look_at = Instant::now() + PAUSE;
        }
        if let Some((bytes, took)) = written {
            self.pace.measured(bytes, took);
        }
        for joining in joining {
            self.join(joining);
        }
        for read in read {
            self.was_read(read);
        }
        for id in hungry {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.hungry = true;
                if stream.spot == Spot::Client {
                    stream.spot = Spot::Turn;
                    self.turns.push(&stream.share, id);
                }
            }
        }
        for id in gone {
            self.leave(id);
        }
        let now = Instant::now();
        while let Some((_, topic)) = self.again.first().filter(|(when, _)| *when <= now).copied() {
            self.again.remove(0);
            self.want(topic);
        }
    }

    fn join(&mut self, joining: Joining) {
        let Joining { id, seat, filter, caller, next, bearer } = joining;
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
        let (hungry, spot, last) = (false, Spot::Client, now);
        let stream =
            Stream { seat, topic, share, caller, next, hungry, spot, bearer, last, deadline };
        self.streams.insert(id, stream);
    }

    /// Ends the streams of tokens whose key was taken out.
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
            // Nobody follows: the writer keeps nothing.
            self.following = None;
        }
    }

    fn end(&mut self, id: Id) {
        if let Some(stream) = self.streams.get(&id) {
            stream.seat.end();
        }
        self.leave(id);
    }

    /// Takes what was committed.
    async fn take(&mut self) {
        let Some(following) = &mut self.following else { return };
        if Instant::now() < self.listen_at {
            return;
        }
        let mut shown = 0;
        while shown < MOST
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
                            publish(&mut self.topics, &mut self.streams, &mut self.turns);
                        }
                        if shown % AT_ONCE == 0 {
                            tokio::task::yield_now().await;
                        }
                    }
                }
            }
        }
        if shown > 0 {
            publish(&mut self.topics, &mut self.streams, &mut self.turns);
            self.listen_at = Instant::now() + self.bounds.interval;
        }
        self.shared.at.store(self.topics.at().0, Ordering::SeqCst);
    }

    /// Looks at the streams that have got nothing for a while, or whose token is over.
    fn beat(&mut self, now: Instant) {
        while let Some((deadline, id)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.beat_at = now + TOGETHER;
            self.deadlines.remove(&(deadline, id));
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let left = stream.bearer.left(self.app.auth(), self.app.ledger().now());
            if left.is_zero() {
                self.end(id);
                continue;
            }
            let heartbeat = self.bounds.heartbeat;
            let quiet = now >= stream.last + heartbeat;
            if quiet && stream.hungry {
                if stream.spot == Spot::Idle {
                    self.topics.not_idle(stream.topic, id);
                    stream.spot = Spot::Client;
                }
                stream.hungry = false;
                stream.last = now;
                let text = Bytes::from_static(HEARTBEAT);
                self.wakers.extend(stream.seat.put(text, stream.next));
            }
            // Who takes nothing is not looked at all the time.
            let from = if quiet { now } else { stream.last };
            stream.deadline = (from + heartbeat).min(now + left);
            self.deadlines.insert((stream.deadline, id));
        }
    }

    /// Gives texts to those whose turn it is, as far as the credit goes.
    fn serve(&mut self, now: Instant) {
        while !self.turns.is_empty() && self.pace.has_credit(now) {
            let Some(id) = self.turns.pop() else { return };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            if !stream.hungry {
                stream.spot = Spot::Client;
                continue;
            }
            match self.topics.next(stream.topic, stream.next) {
                Next::Text(text, next) => {
                    self.pace.deliver(text.len());
                    stream.next = next;
                    stream.hungry = false;
                    stream.spot = Spot::Client;
                    stream.last = now;
                    self.wakers.extend(stream.seat.put(text, next));
                }
                Next::Nothing => {
                    stream.next = stream.next.max(self.topics.at());
                    stream.spot = Spot::Idle;
                    self.topics.idle(stream.topic, id);
                }
                Next::Behind => {
                    stream.spot = Spot::Behind;
                    let topic = stream.topic;
                    self.behind.entry(topic).or_default().streams.push(id);
                    self.want(topic);
                }
            }
        }
    }
}

/// Makes pieces of what was shown, and gives all who waited for them their turn.
fn publish(
    topics: &mut Topics,
    streams: &mut HashMap<Id, Stream>,
    turns: &mut Turns<Option<Account>, Id>,
) {
    for id in topics.publish() {
        if let Some(stream) = streams.get_mut(&id) {
            stream.spot = Spot::Turn;
            turns.push(&stream.share, id);
        }
    }
}
