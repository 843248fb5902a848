//! The history: the places in the log of the events of an account, an actor or a type.
//!
//! Each list is a run of compressed gaps, about a byte an event, so that no filter of the API
//! scans the whole log. The records of one key are linked. A key with more than [`UNLISTED`] records
//! has a list too, whose entries are **landmarks**: a look back at the key starts at the nearest
//! one after the wanted moment instead of at the last record.
//!
//! What landmarks buy: the key's state at any moment is found with a read or two, not with one read
//! for each later record (`benches/tricks.rs`: 3,000 records). The plain way, along all links, is
//! that of a key with few records; `as_of_tests` compares both with a replay at every place.

use eventlog::Seq;
use hashbrown::HashMap;
use keys::{Account, EventKind, KeyId, Subject};
use parking_lot::RwLock;

use crate::page::Walk;
use crate::projection::places::{Found, Places, common};
use crate::record::Record;

/// Which list of places.
#[derive(Clone, Copy, Debug)]
pub(crate) enum List<'a> {
    Account(&'a Account),
    Actor(&'a Subject),
    Kind(EventKind),
    /// The records of a key after its first [`UNLISTED`] ones.
    Key(KeyId),
}

/// The number of first records of a key that are on no list, because their links suffice.
const UNLISTED: u32 = if cfg!(test) { 3 } else { 32 };

/// The records of a key after its first [`UNLISTED`] ones.
#[derive(Default)]
struct LaterRecords {
    places: Places,
    /// The rotation that replaced the key, if it is one of these records.
    replaced_at: Option<Seq>,
}

/// A record of a key from which the older ones are read along their links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Landmark {
    pub(crate) seq: Seq,
    /// Whether the key was replaced by a later record than this one.
    pub(crate) replaced_later: bool,
}

/// All lists.
#[derive(Default)]
pub(crate) struct History {
    lists: RwLock<Lists>,
}

#[derive(Default)]
struct Lists {
    accounts: HashMap<Account, Places>,
    actors: HashMap<Subject, Places>,
    kinds: HashMap<EventKind, Places>,
    keys: HashMap<KeyId, LaterRecords>,
}

/// The list of `name`, which is copied only the first time.
fn places_of<'l, N: Clone + Eq + std::hash::Hash>(
    lists: &'l mut HashMap<N, Places>,
    name: &N,
) -> &'l mut Places {
    lists.entry(name.clone()).or_default()
}

impl History {
    pub(crate) fn apply(&self, seq: Seq, record: &Record, account: Option<&Account>) {
        let mut lists = self.lists.write();
        if let Some(account) = account {
            places_of(&mut lists.accounts, account).push(seq);
        }
        places_of(&mut lists.actors, &record.actor.subject).push(seq);
        lists.kinds.entry(record.event.kind()).or_default().push(seq);
        for link in record.links.iter().filter(|link| link.revision > UNLISTED) {
            let later = lists.keys.entry(link.key).or_default();
            later.places.push(seq);
            if link.key != record.links.own.key {
                later.replaced_at = Some(seq);
            }
        }
    }

    /// Has `erased` in the place of `actor`, who was erased.
    pub(crate) fn erase(&self, actor: &Subject, erased: &Subject) {
        let mut lists = self.lists.write();
        if let Some(places) = lists.actors.remove(actor) {
            lists.actors.insert(erased.clone(), places);
        }
    }

    /// The first listed record of `key` at `from` or after it.
    pub(crate) fn landmark(&self, key: KeyId, from: Seq) -> Option<Landmark> {
        let lists = self.lists.read();
        let later = lists.keys.get(&key)?;
        let seq = later.places.first_from(from)?;
        Some(Landmark { seq, replaced_later: later.replaced_at.is_some_and(|at| at > seq) })
    }

    /// The first record of `key` that is listed; `None` while it has few.
    pub(crate) fn first_listed(&self, key: KeyId) -> Option<Seq> {
        self.lists.read().keys.get(&key)?.places.first()
    }

    /// What is on all of `lists`, in order from `walk` on, at most `limit` places.
    ///
    /// Fewer may be found, even none, though more follow: `next` says.
    pub(crate) fn common(&self, lists: &[List<'_>], walk: Walk, limit: usize) -> Found {
        let all = self.lists.read();
        let lists = lists.iter().map(|list| match list {
            List::Account(account) => all.accounts.get(*account),
            List::Actor(actor) => all.actors.get(*actor),
            List::Kind(kind) => all.kinds.get(kind),
            List::Key(key) => all.keys.get(key).map(|later| &later.places),
        });
        // One that is not there is empty, and so is what all have in common.
        let Some(lists) = lists.collect::<Option<Vec<_>>>() else {
            return Found { places: Vec::new(), next: None };
        };
        common(&lists, walk, limit)
    }
}
