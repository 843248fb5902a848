//! The newest events by filter, each serialized once.
//!
//! Streams with the same filter share a topic. An event is of one account, type and actor, and of
//! one key or two, so a handful of look-ups finds every topic that matches, and the others cost
//! nothing. A topic caches its newest events while streams take them; older ones are read from the
//! log, and cached for the streams at the same place.

mod forget;

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use keys::{Account, EventKind, KeyId, Subject};
use ledger::{Entry, EventFilter, Seq};

use super::bounds::Bounds;
use super::message;
use super::piece::{Meter, Piece, PieceBuilder};

/// A stream's number.
pub(super) type Id = u64;
/// A topic's number.
pub(super) type TopicId = u64;

/// Which events a stream shows; `None` matches every value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Filter {
    pub(crate) account: Option<Account>,
    pub(crate) owner: Option<Subject>,
    pub(crate) key: Option<KeyId>,
    pub(crate) kind: Option<EventKind>,
    pub(crate) actor: Option<Subject>,
    /// Whether it shows nothing: what is asked for is nothing that the caller sees.
    pub(crate) never: bool,
}

/// Which fields of a filter are set, as bits.
type Shape = usize;
const ACCOUNT: Shape = 1;
const KEY: Shape = 2;
const KIND: Shape = 4;
const ACTOR: Shape = 8;
const OWNER: Shape = 16;
const SHAPES: usize = 32;

impl Filter {
    fn shape(&self) -> Shape {
        let bit = |matters: bool, bit| if matters { bit } else { 0 };
        bit(self.account.is_some(), ACCOUNT)
            | bit(self.key.is_some(), KEY)
            | bit(self.kind.is_some(), KIND)
            | bit(self.actor.is_some(), ACTOR)
            | bit(self.owner.is_some(), OWNER)
    }

    /// The filter of what a caller may see of what it asks for; `None`: of nothing.
    pub(crate) fn of(filter: Option<EventFilter>) -> Filter {
        let Some(filter) = filter else { return Filter { never: true, ..Filter::default() } };
        let EventFilter { account, owner, key, kind, actor, from: _, to: _ } = filter;
        Filter { account, owner, key, kind, actor, never: false }
    }

    /// The only filter of that shape that shows `entry` as an event of `key`.
    fn showing(entry: &Entry, key: KeyId, shape: Shape) -> Filter {
        let matters = |bit| shape & bit != 0;
        Filter {
            account: matters(ACCOUNT).then(|| entry.account.clone()),
            // Whoever asks for an owner's asks for an owner.
            owner: entry.owner.clone().filter(|_| matters(OWNER)),
            key: matters(KEY).then_some(key),
            kind: matters(KIND).then(|| entry.record.event.kind()),
            actor: matters(ACTOR).then(|| entry.record.actor.subject.clone()),
            never: false,
        }
    }

    /// The same, for the ledger.
    pub(super) fn events(&self) -> EventFilter {
        let Filter { account, owner, key, kind, actor, never: _ } = self.clone();
        EventFilter { account, owner, key, kind, actor, from: None, to: None }
    }
}

/// A piece in the cache.
struct CachedPiece {
    number: u64,
    piece: Piece,
    /// Whether a stream has taken a part of it.
    used: bool,
}

/// All streams with one filter.
struct Topic {
    filter: Filter,
    streams: usize,
    /// The streams that have been given everything and wait for new events.
    idle: HashSet<Id>,
    /// `live` holds all events from here on. `None` while no stream is near the end of the log.
    start: Option<Seq>,
    live: VecDeque<CachedPiece>,
    builder: Option<PieceBuilder>,
    /// Older pieces, read from the log.
    read: VecDeque<CachedPiece>,
}

/// What a stream is given next.
pub(super) enum Next {
    /// A text, and the place after it.
    Text(Bytes, Seq),
    /// Nothing yet.
    Nothing,
    /// Events that must be read from the log.
    Behind,
}

/// All topics.
pub(super) struct Topics {
    bounds: Bounds,
    /// The place after the last event.
    at: Seq,
    ids: HashMap<Filter, TopicId>,
    by_id: HashMap<TopicId, Topic>,
    shapes: [usize; SHAPES],
    made: u64,
    /// Topics with a piece under construction.
    building: Vec<TopicId>,
    is_long: bool,
    /// The cached pieces, the oldest first.
    cached: VecDeque<(TopicId, u64)>,
    cached_bytes: usize,
    pub(super) meter: Meter,
    /// How often everything was dropped because a person was erased.
    pub(super) forgotten: u64,
}

impl Topics {
    pub(super) fn new(bounds: Bounds) -> Topics {
        Topics {
            bounds,
            at: Seq(0),
            ids: HashMap::new(),
            by_id: HashMap::new(),
            shapes: [0; SHAPES],
            made: 0,
            building: Vec::new(),
            is_long: false,
            cached: VecDeque::new(),
            cached_bytes: 0,
            meter: Meter::default(),
            forgotten: 0,
        }
    }

    /// Adds a stream to its topic.
    pub(super) fn join(&mut self, filter: Filter) -> TopicId {
        if let Some(id) = self.ids.get(&filter) {
            if let Some(topic) = self.by_id.get_mut(id) {
                topic.streams += 1;
            }
            return *id;
        }
        self.made += 1;
        let id = self.made;
        if let Some(count) = self.shapes.get_mut(filter.shape()) {
            *count += 1;
        }
        self.ids.insert(filter.clone(), id);
        let topic = Topic {
            filter,
            streams: 1,
            idle: HashSet::new(),
            start: Some(self.at),
            live: VecDeque::new(),
            builder: None,
            read: VecDeque::new(),
        };
        self.by_id.insert(id, topic);
        id
    }

    /// Removes a stream from its topic.
    pub(super) fn leave(&mut self, id: TopicId, stream: Id) {
        let Some(topic) = self.by_id.get_mut(&id) else { return };
        topic.idle.remove(&stream);
        topic.streams -= 1;
        if topic.streams > 0 {
            return;
        }
        if let Some(topic) = self.by_id.remove(&id) {
            self.ids.remove(&topic.filter);
            if let Some(count) = self.shapes.get_mut(topic.filter.shape()) {
                *count -= 1;
            }
            let cached = topic.live.iter().chain(&topic.read);
            self.cached_bytes -= cached.map(|cached| cached.piece.len()).sum::<usize>();
        }
    }

    /// The filter of a topic.
    pub(super) fn filter(&self, id: TopicId) -> Option<&Filter> {
        self.by_id.get(&id).map(|topic| &topic.filter)
    }

    /// Marks a stream as waiting for new events.
    pub(super) fn idle(&mut self, id: TopicId, stream: Id) {
        if let Some(topic) = self.by_id.get_mut(&id) {
            topic.idle.insert(stream);
        }
    }

    /// Removes that mark.
    pub(super) fn not_idle(&mut self, id: TopicId, stream: Id) -> bool {
        self.by_id.get_mut(&id).is_some_and(|topic| topic.idle.remove(&stream))
    }

    /// The place after the last event that was added.
    pub(super) fn at(&self) -> Seq {
        self.at
    }

    /// Skips to `at`: the events before it must be read from the log.
    pub(super) fn missed(&mut self, at: Seq) {
        self.at = at;
        for topic in self.by_id.values_mut() {
            topic.builder = None;
            self.cached_bytes -= topic.drop_live();
            topic.start = Some(at);
        }
        self.building.clear();
    }

    /// Adds an event, the next one of the log, to all topics that match.
    pub(super) fn show(&mut self, entry: &Entry) {
        self.at = entry.seq.next();
        // Serialized for the first topic that shows it in this form.
        let mut texts: Vec<(KeyId, Vec<u8>)> = Vec::new();
        let own = entry.record.links.own.key;
        for shape in 0..SHAPES {
            if self.shapes.get(shape).is_none_or(|count| *count == 0) {
                continue;
            }
            // A filter by key shows a rotation as an event of that key; any other as the new key's.
            let keys = entry.record.links.iter().map(|link| link.key);
            for key in keys.take(if shape & KEY == 0 { 1 } else { 2 }) {
                let Some(id) = self.ids.get(&Filter::showing(entry, key, shape)) else { continue };
                let shown_for = if shape & KEY == 0 { own } else { key };
                let place = texts.iter().position(|(key, _)| *key == shown_for);
                let place = place.unwrap_or(texts.len());
                let Some(topic) = self.by_id.get_mut(id).filter(|topic| topic.start.is_some())
                else {
                    continue;
                };
                if place == texts.len() {
                    let mut text = Vec::with_capacity(1024);
                    message::write(&mut text, entry, Some(shown_for));
                    texts.push((shown_for, text));
                }
                let Some((_, text)) = texts.get(place) else { continue };
                if topic.builder.is_none() {
                    self.building.push(*id);
                }
                let builder = topic.builder.get_or_insert_with(|| PieceBuilder::new(entry.seq));
                builder.push(entry.seq, text);
                self.is_long |= builder.len() >= self.bounds.piece_bytes;
            }
        }
    }

    /// Whether a piece under construction has reached its size.
    pub(super) fn is_long(&self) -> bool {
        self.is_long
    }

    /// Completes the pieces under construction. Returns the streams that wait for them.
    pub(super) fn publish(&mut self) -> Vec<Id> {
        let mut waiting = Vec::new();
        self.is_long = false;
        for id in std::mem::take(&mut self.building) {
            let Some(topic) = self.by_id.get_mut(&id) else { continue };
            let Some(builder) = topic.builder.take() else { continue };
            let piece = builder.finish(self.at, &self.meter);
            waiting.extend(topic.idle.drain());
            self.made += 1;
            self.cached_bytes += piece.len();
            self.cached.push_back((id, self.made));
            topic.live.push_back(CachedPiece { number: self.made, piece, used: false });
        }
        self.evict();
        waiting
    }

    /// Caches a piece that was read from the log.
    pub(super) fn cache(&mut self, id: TopicId, piece: Piece) {
        let Some(topic) = self.by_id.get_mut(&id) else { return };
        self.made += 1;
        self.cached_bytes += piece.len();
        self.cached.push_back((id, self.made));
        topic.read.push_back(CachedPiece { number: self.made, piece, used: false });
        // A piece without text is never evicted for its bytes.
        if topic.read.len() > self.bounds.read_pieces
            && let Some(oldest) = topic.read.pop_front()
        {
            self.cached_bytes -= oldest.piece.len();
        }
        self.evict();
    }

    fn evict(&mut self) {
        while self.cached_bytes > self.bounds.cached_bytes
            || self.cached.len() > self.bounds.cached_pieces
        {
            let Some((id, number)) = self.cached.pop_front() else { return };
            if let Some(topic) = self.by_id.get_mut(&id) {
                self.cached_bytes -= topic.evict(number);
            }
        }
    }

    /// What a stream of that topic at `next` is given next.
    pub(super) fn next(&mut self, id: TopicId, next: Seq) -> Next {
        let Some(topic) = self.by_id.get_mut(&id) else { return Next::Nothing };
        if topic.start.is_none() && next >= self.at {
            topic.start = Some(self.at);
        }
        let pressed = self.meter.bytes() > self.bounds.pressure_bytes;
        let limit = if pressed { self.bounds.min_text } else { self.bounds.max_text };
        let found = topic.next(next, limit);
        match found {
            // A copy, so that a slow client does not keep the whole piece in memory.
            Next::Text(text, after) if pressed => Next::Text(Bytes::copy_from_slice(&text), after),
            Next::Text(..) | Next::Nothing | Next::Behind => found,
        }
    }

    /// The log is read for a stream at `next`. If that is near the end, new events are cached from
    /// now on, so that it finds them when it has caught up.
    pub(super) fn arriving(&mut self, id: TopicId, next: Seq) {
        let near = self.at.0.saturating_sub(next.0) <= self.bounds.near;
        if let Some(topic) = self.by_id.get_mut(&id)
            && topic.start.is_none()
            && near
        {
            topic.start = Some(self.at);
        }
    }
}

impl Topic {
    fn next(&mut self, mut next: Seq, limit: usize) -> Next {
        while self.start.is_none_or(|start| next < start) {
            let Some(cached) = self.read.iter_mut().find(|cached| cached.piece.covers(next)) else {
                return Next::Behind;
            };
            cached.used = true;
            match cached.piece.after(next, limit) {
                (text, after) if text.is_empty() => next = after,
                (text, after) => return Next::Text(text, after),
            }
        }
        let first = self.live.partition_point(|cached| cached.piece.until() <= next);
        for cached in self.live.range_mut(first..) {
            cached.used = true;
            match cached.piece.after(next, limit) {
                (text, after) if text.is_empty() => next = after,
                (text, after) => return Next::Text(text, after),
            }
        }
        Next::Nothing
    }

    /// Removes a piece. Returns its bytes.
    fn evict(&mut self, number: u64) -> usize {
        if self.read.front().is_some_and(|cached| cached.number == number) {
            return self.read.pop_front().map_or(0, |cached| cached.piece.len());
        }
        if self.live.front().is_none_or(|cached| cached.number != number) {
            return 0;
        }
        let Some(oldest) = self.live.pop_front() else { return 0 };
        self.start = Some(oldest.piece.until());
        let mut bytes = oldest.piece.len();
        // No stream takes the newest events: all of this topic are far behind.
        if !oldest.used && self.idle.is_empty() && !self.live.iter().any(|cached| cached.used) {
            bytes += self.drop_live();
            self.start = None;
            self.builder = None;
        }
        bytes
    }

    fn drop_live(&mut self) -> usize {
        self.live.drain(..).map(|cached| cached.piece.len()).sum()
    }
}
