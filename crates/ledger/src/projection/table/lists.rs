//! Speed: which keys of a large account have a value, a status or a due time, by their places in it, so
//! that a page of what few keys have looks at those and not at a million. The plain way, to look at
//! every key, is that of accounts with few keys, and what tests hold this against.
//!
//! A list is made when somebody looks for what it finds, in steps, and what was made since is added by
//! whoever looks next: to create a key costs nothing here. What happens to a key that is there is
//! brought in when it happens. Lists that nobody looked into for a while are dropped.
//!
//! What a list finds is looked at again. Terms find keys that ever had a value, so that they serve for
//! the past too; only of keys that were edited often before a list was made that is not known, and
//! those are found by every term of the past.

mod numbers;
mod states;
mod terms;

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::Duration;

use keys::{KeyState, NewKey, Status, Timestamp};
use parking_lot::{Mutex, RwLock};
use roaring::RoaringBitmap;

use self::states::{DueKey, StateLists};
pub(crate) use self::terms::Term;
use self::terms::{Terms, of_attributes, of_texts};
use super::Key;

/// An account of at most so many keys has no lists.
const MANY: usize = if cfg!(test) { 16 } else { 4_096 };
/// Keys that one step adds: some milliseconds of work.
const STEP: usize = if cfg!(test) { 32 } else { 4_096 };
/// Keys copied out under one hold of a lock.
const SLICE: usize = 64;
/// Lists that nobody looked into this long are dropped.
const IDLE: Duration = Duration::from_secs(600);
/// More due keys than this are not put together for one page.
const MOST_DUE: usize = if cfg!(test) { 24 } else { 20_000 };
/// The most entries of a list of terms, of about two bytes each: what is beyond is looked at plainly.
const MOST_ENTRIES: usize = 100_000_000;

/// Where keys are looked at in the order they were made: up to so many from a place on.
pub(crate) type Slice<'s> = dyn Fn(usize, usize) -> Vec<Arc<Key>> + 's;

/// What is looked for: keys that have all of it.
#[derive(Debug, Default)]
pub(crate) struct Sought {
    /// Values of attributes.
    pub(crate) attributes: Vec<Term>,
    /// Parts of its texts.
    pub(crate) texts: Vec<Term>,
    /// As recorded, and the moment of the answer.
    pub(crate) status: Option<(Status, Timestamp)>,
    pub(crate) expires_before: Option<Timestamp>,
    /// Whether it was then, and need not be so now.
    pub(crate) is_past: bool,
}

/// The places of keys that may be what is sought.
pub(crate) struct Listed {
    pub(crate) places: RoaringBitmap,
    /// Keys from this place on are not listed.
    pub(crate) until: usize,
}

/// The lists of one account.
#[derive(Default)]
pub(crate) struct Lists {
    states: Part<StateLists>,
    attributes: Part<Terms>,
    texts: Part<Terms>,
    /// In milliseconds of the monotonic clock.
    last_used_at: AtomicU64,
}

/// The lists of an account, if somebody looked for something in it.
#[derive(Default)]
pub(super) struct AccountLists(RwLock<Option<Arc<Lists>>>);

impl AccountLists {
    /// Those of an account of so many keys; `None` if these are few.
    /// And whether they are new.
    pub(super) fn get(&self, keys: usize, now: Duration) -> Option<(Arc<Lists>, bool)> {
        if keys <= MANY {
            return None;
        }
        let found = self.0.read().clone();
        let is_new = found.is_none();
        let lists = found.unwrap_or_else(|| Arc::clone(self.0.write().get_or_insert_default()));
        lists.last_used_at.store(millis(now), Relaxed);
        Some((lists, is_new))
    }

    /// Brings in what happened to a key, and what it has after an edit.
    pub(super) fn changed(
        &self,
        key: &Key,
        states: (&KeyState, &KeyState),
        edited: Option<&NewKey>,
    ) {
        let (Some(lists), Some(place)) = (self.0.read().clone(), place_of(key)) else { return };
        if lists.states.is_begun() {
            lists.states.of.moved(key.made.id, place, states);
        }
        let Some(edited) = edited else { return };
        for (terms, each) in [(&lists.attributes, of_attributes as Each), (&lists.texts, of_texts)]
        {
            if terms.is_begun() {
                each(edited, &mut |term| terms.of.add(term, place));
            }
        }
    }

    /// Drops what nobody looked into lately; whether nothing is left.
    pub(super) fn forget_idle(&self, now: Duration) -> bool {
        let is_idle = |lists: &Arc<Lists>| {
            let idle = millis(now).saturating_sub(lists.last_used_at.load(Relaxed));
            u128::from(idle) >= IDLE.as_millis()
        };
        let is_over = self.0.read().as_ref().is_none_or(is_idle);
        if is_over {
            self.drop_all();
        }
        is_over
    }

    /// Drops all, to be made again: from keys that say less of a person who was erased.
    pub(super) fn drop_all(&self) {
        let dropped = self.0.write().take();
        // Behind the lock.
        drop(dropped);
    }
}

/// Hands each term of a key to somebody.
type Each = fn(&NewKey, &mut dyn FnMut(Term));

impl Lists {
    /// Adds some of the keys that are missing in the lists which `sought` needs; whether none is left.
    pub(crate) fn step(&self, sought: &Sought, slice: &Slice<'_>) -> bool {
        let mut is_whole = true;
        if sought.needs_states() {
            is_whole &= self.states.step(slice, StateLists::put);
        }
        for (terms, part, each) in [
            (&sought.attributes, &self.attributes, of_attributes as Each),
            (&sought.texts, &self.texts, of_texts),
        ] {
            if !terms.is_empty() && part.of.entries() < MOST_ENTRIES {
                is_whole &= part.step(slice, |of, place, keys| post(of, place, keys, each));
            }
        }
        is_whole
    }

    /// The places that `sought` names; `None` if no list tells them apart.
    pub(crate) fn find(&self, sought: &Sought) -> Option<Listed> {
        let mut until = usize::MAX;
        let mut found: Option<RoaringBitmap> = None;
        let mut narrow = |places: RoaringBitmap, listed: usize| {
            until = until.min(listed);
            match &mut found {
                Some(found) => *found &= places,
                None => found = Some(places),
            }
        };
        for (terms, part) in [(&sought.attributes, &self.attributes), (&sought.texts, &self.texts)]
        {
            if !terms.is_empty() {
                // Read before the list is: what is before it was added by then.
                let listed = part.until();
                narrow(part.of.all(terms, sought.is_past), listed);
            }
        }
        if sought.needs_states() {
            let (listed, states) = (self.states.until(), &self.states.of);
            if let Some((status, now)) = sought.status
                && let Some(places) = states.with(status, now, MOST_DUE)
            {
                narrow(places, listed);
            }
            if let Some(end) = sought.expires_before
                && let Some(places) = states.due_before(end, MOST_DUE)
            {
                narrow(places, listed);
            }
        }
        found.map(|places| Listed { places, until })
    }

    /// Adds some of the keys that are missing among those that fall due; whether none is left.
    pub(crate) fn step_due(&self, slice: &Slice<'_>) -> bool {
        self.states.step(slice, StateLists::put)
    }

    /// Up to `limit` alive keys that fall due after `after` and until `until`, soonest first, each with
    /// its place.
    pub(crate) fn due_after(
        &self,
        after: Option<DueKey>,
        until: Timestamp,
        limit: usize,
    ) -> Vec<(DueKey, usize)> {
        self.states.of.due_after(after, until, limit)
    }
}

impl Sought {
    fn needs_states(&self) -> bool {
        self.status.is_some() || self.expires_before.is_some()
    }

    /// Whether nothing is sought that a list tells apart.
    pub(crate) fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.texts.is_empty() && !self.needs_states()
    }
}

/// One list of them, and how far it goes.
#[derive(Default)]
struct Part<T> {
    of: T,
    /// Set before the first key is looked at: who changes one looks here afterwards.
    begun: AtomicBool,
    posted: AtomicUsize,
    /// Held by whoever adds keys.
    posting: Mutex<()>,
}

impl<T> Part<T> {
    fn is_begun(&self) -> bool {
        self.begun.load(SeqCst)
    }

    /// Keys before this place are in it.
    fn until(&self) -> usize {
        self.posted.load(Acquire)
    }

    /// Adds some keys; whether none is left.
    fn step(&self, slice: &Slice<'_>, post: impl Fn(&T, usize, &[Arc<Key>])) -> bool {
        let _adding = self.posting.lock();
        self.begun.store(true, SeqCst);
        let mut place = self.until();
        for _ in 0..STEP / SLICE.min(STEP) {
            let keys = slice(place, SLICE);
            post(&self.of, place, &keys);
            place += keys.len();
            self.posted.store(place, Release);
            if keys.len() < SLICE {
                return true;
            }
        }
        false
    }
}

fn post(terms: &Terms, first: usize, keys: &[Arc<Key>], each: Each) {
    for (place, key) in keys.iter().enumerate() {
        let Ok(place) = u32::try_from(first + place) else { return };
        let (made, current, edits) = (&key.made, key.current(), key.edits());
        each(made, &mut |term| terms.add(term, place));
        if !Arc::ptr_eq(made, &current) {
            each(&current, &mut |term| terms.add(term, place));
        }
        if edits > 1 {
            terms.add_unsure(place);
        }
    }
}

/// Numbers begin at 1, and places at 0. Four thousand million keys do not fit into memory.
fn place_of(key: &Key) -> Option<u32> {
    u32::try_from(key.made.number.checked_sub(1)?).ok()
}

fn millis(now: Duration) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
