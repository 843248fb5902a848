//! Which readings are on record already: equal ones within a minute are counted, not written.
//!
//! A reading is equal to one before it if the same caller, by the same token and from the same
//! address, reads in the same way, of the same account and key, within places that an entry of
//! this minute names. Any other one is recorded at once, so that only counts wait in memory. One
//! who reads very many different parts gets entries that say "somewhere within", each at least
//! twice as wide as the one before: the journal grows with who reads what, not with requests.
//!
//! Memory only; time and randomness come from the journal.

use std::net::IpAddr;

use eventlog::Seq;
use hashbrown::HashMap;
use keys::{Account, KeyId, Subject, Timestamp};
use tokio::sync::watch;

use crate::caller::{Caller, Origin};
use crate::error::Error;
use crate::record::Actor;
use crate::record::access::{Access, AccessEvent, Range, Reading, Readings};

/// How long equal readings are counted together.
const WINDOW_S: u64 = 60;
/// How many different parts one caller reads in a minute before entries become wider.
const MOST_PARTS: usize = 32;
/// Callers whose readings are counted together, in all and of one account. Those of any more are
/// recorded one by one.
const MOST_READERS: usize = 8_192;
const MOST_READERS_OF_ONE: usize = 512;

/// What became of an entry; `None` while it waits to be written.
pub(super) type Outcome = Option<Result<(), Error>>;

/// What is to be done about a reading.
pub(super) enum Verdict {
    /// Nothing more: it is on record, and counted.
    Counted,
    /// An entry that covers it is being written: wait for that, and ask again.
    Wait(watch::Receiver<Outcome>),
    /// It is to be recorded, and its outcome is sent here.
    Record(Box<Access>, watch::Sender<Outcome>),
}

/// One who reads, as far as equal readings are concerned.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Reader {
    actor: Actor,
    ip: Option<IpAddr>,
}

/// What is read, but for the places.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Part {
    reading: Reading,
    account: Option<Account>,
    key: Option<KeyId>,
}

/// The readings of one caller within a minute.
struct Window {
    start: Timestamp,
    /// How many entries were made for what was read exactly.
    exact: usize,
    parts: HashMap<Part, Spans>,
    /// What was read when those were too many.
    wide: HashMap<Reading, Spans>,
}

/// Where entries say that something was read, and how often it was read again there.
#[derive(Default)]
struct Spans {
    spans: Vec<Span>,
    /// Of spans that became wider.
    before: Vec<Again>,
}

/// Places; the end is `u64::MAX` where it is open.
#[derive(Clone, Copy)]
struct Places {
    from: u64,
    until: u64,
}

struct Span {
    places: Places,
    written: watch::Receiver<Outcome>,
    again: Option<Again>,
}

/// Readings, as far as they are one entry.
#[derive(Clone, Copy)]
struct Again {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    places: Places,
}

/// All callers that read within the last minute.
#[derive(Default)]
pub(super) struct Readers {
    windows: HashMap<Reader, Window>,
    of_account: HashMap<Option<Account>, usize>,
    /// Entries of windows that are over.
    over: Vec<Access>,
}

impl Again {
    fn once(places: Places, at: Timestamp) -> Again {
        Again { count: 1, first: at, last: at, places }
    }
}

impl Places {
    fn of(range: &Range) -> Places {
        Places { from: range.from.0, until: range.until.map_or(u64::MAX, |until| until.0) }
    }

    fn covers(self, other: Places) -> bool {
        self.from <= other.from && other.until <= self.until
    }

    fn and(self, other: Places) -> Places {
        Places { from: self.from.min(other.from), until: self.until.max(other.until) }
    }

    /// Both, and as much again on the side where it grew.
    fn widened(self, other: Places) -> Places {
        let both = self.and(other);
        let more = (both.until - both.from).max(1);
        Places {
            from: if both.from < self.from { both.from.saturating_sub(more) } else { both.from },
            until: if both.until > self.until {
                both.until.saturating_add(more)
            } else {
                both.until
            },
        }
    }
}

impl Spans {
    /// What covers `places`, if an entry does. Those that could not be written are forgotten.
    fn covering(&mut self, places: Places) -> Option<&mut Span> {
        self.spans.retain(|span| match &*span.written.borrow() {
            Some(Ok(())) => true,
            Some(Err(_)) => false,
            // Without a sender nobody will ever say.
            None => span.written.has_changed().is_ok(),
        });
        self.spans.iter_mut().find(|span| span.places.covers(places))
    }

    fn answer(&mut self, places: Places, now: Timestamp) -> Option<Verdict> {
        let span = self.covering(places)?;
        if span.written.borrow().is_none() {
            return Some(Verdict::Wait(span.written.clone()));
        }
        span.count(places, now);
        Some(Verdict::Counted)
    }

    /// Puts one that is as wide as `places` too in the place of the last one.
    fn widen(&mut self, places: Places, written: watch::Receiver<Outcome>) -> Places {
        let last = self.spans.pop();
        let places = last.as_ref().map_or(places, |last| last.places.widened(places));
        self.before.extend(last.and_then(|last| last.again));
        self.spans.push(Span { places, written, again: None });
        places
    }
}

impl Span {
    fn count(&mut self, places: Places, now: Timestamp) {
        match &mut self.again {
            Some(again) => {
                again.count += 1;
                again.last = again.last.max(now);
                again.places = again.places.and(places);
            }
            None => self.again = Some(Again::once(places, now)),
        }
    }
}

impl Window {
    fn is_over(&self, now: Timestamp) -> bool {
        // A clock that was set back ends it too.
        now < self.start || now >= self.start.plus_secs(WINDOW_S)
    }

    /// What is left to be recorded of it.
    fn close(self, reader: &Reader, over: &mut Vec<Access>) {
        let wide = self
            .wide
            .into_iter()
            .map(|(reading, spans)| (Part { reading, account: None, key: None }, spans));
        for (part, spans) in self.parts.into_iter().chain(wide) {
            let again = spans.spans.into_iter().filter_map(|span| span.again);
            over.extend(
                again.chain(spans.before).map(|again| entry(reader, None, part.clone(), again)),
            );
        }
    }
}

/// An entry for readings.
fn entry(reader: &Reader, request_id: Option<Box<str>>, part: Part, readings: Again) -> Access {
    let Again { count, first, last, places } = readings;
    let origin = Origin { ip: reader.ip, request_id };
    let event = AccessEvent::Read(Readings {
        last_at: last,
        count,
        reading: part.reading,
        from: Seq(places.from),
        until: (places.until < u64::MAX).then_some(Seq(places.until)),
        account: part.account,
        key: part.key,
    });
    Access::unwritten(first, reader.actor.clone(), origin, event)
}

impl Readers {
    /// Counts a reading, or says what is to be done about it.
    pub(super) fn read(
        &mut self,
        caller: &Caller,
        reading: Reading,
        range: &Range,
        now: Timestamp,
    ) -> Verdict {
        let reader = Reader { actor: Actor::of(caller), ip: caller.origin.ip };
        let part = Part { reading, account: range.account.clone(), key: range.key };
        let places = Places::of(range);
        if self.windows.get(&reader).is_some_and(|window| window.is_over(now)) {
            self.close(&reader);
        }
        let request_id = caller.origin.request_id.clone();
        let Some(window) = self.window(&reader, now) else {
            let entry = entry(&reader, request_id, part, Again::once(places, now));
            return Verdict::Record(Box::new(entry), watch::Sender::new(None));
        };
        let within = window.parts.get_mut(&part).and_then(|spans| spans.answer(places, now));
        let wide = || window.wide.get_mut(&reading).and_then(|spans| spans.answer(places, now));
        if let Some(verdict) = within.or_else(wide) {
            return verdict;
        }
        let (outcome, written) = watch::channel(None);
        if window.exact < MOST_PARTS {
            window.exact += 1;
            let spans = window.parts.entry(part.clone()).or_default();
            spans.spans.push(Span { places, written, again: None });
            let entry = entry(&reader, request_id, part, Again::once(places, now));
            return Verdict::Record(Box::new(entry), outcome);
        }
        let places = window.wide.entry(reading).or_default().widen(places, written);
        let part = Part { reading, account: None, key: None };
        let entry = entry(&reader, request_id, part, Again::once(places, now));
        Verdict::Record(Box::new(entry), outcome)
    }

    /// The window of `reader`; `None` if there are too many.
    fn window(&mut self, reader: &Reader, now: Timestamp) -> Option<&mut Window> {
        if !self.windows.contains_key(reader) {
            let of_account = self.of_account.get(&reader.actor.account).copied().unwrap_or(0);
            if self.windows.len() >= MOST_READERS || of_account >= MOST_READERS_OF_ONE {
                return None;
            }
            *self.of_account.entry(reader.actor.account.clone()).or_default() += 1;
            let window =
                Window { start: now, exact: 0, parts: HashMap::new(), wide: HashMap::new() };
            self.windows.insert(reader.clone(), window);
        }
        self.windows.get_mut(reader)
    }

    fn close(&mut self, reader: &Reader) {
        let Some((reader, window)) = self.windows.remove_entry(reader) else { return };
        window.close(&reader, &mut self.over);
        if let Some(count) = self.of_account.get_mut(&reader.actor.account) {
            *count -= 1;
            if *count == 0 {
                self.of_account.remove(&reader.actor.account);
            }
        }
    }

    /// Ends the minutes that are over by `now`; all of them, if there is none.
    pub(super) fn end(&mut self, now: Option<Timestamp>) {
        let over = |window: &Window| now.is_none_or(|now| window.is_over(now));
        let ended = self.windows.iter().filter(|(_, window)| over(window));
        let ended: Vec<_> = ended.map(|(reader, _)| reader.clone()).collect();
        for reader in ended {
            self.close(&reader);
        }
    }

    /// Forgets a subject. How often it read again within this minute is lost.
    pub(super) fn erase(&mut self, subject: &Subject) {
        let is_of = |reader: &&Reader| reader.actor.subject == *subject;
        let readers: Vec<_> = self.windows.keys().filter(is_of).cloned().collect();
        for reader in readers {
            self.close(&reader);
        }
        self.over.retain(|entry| entry.actor.subject != *subject);
    }

    /// The entries of minutes that were ended.
    pub(super) fn over(&mut self) -> Vec<Access> {
        std::mem::take(&mut self.over)
    }
}
