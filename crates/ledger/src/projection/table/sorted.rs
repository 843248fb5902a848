//! Keys in the order of a value: of their due times, their names, their last uses.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::str::FromStr;
use std::sync::Arc;

use keys::{Invalid, KeyName, Timestamp};

use super::Key;
use crate::page::Direction;

/// What keys are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySort {
    /// The order they were made in.
    #[default]
    CreatedAt,
    /// Their due time.
    ExpiresAt,
    /// Their name, by the code points of its characters.
    Name,
    /// Their last use, as far as counted.
    LastUsedAt,
}

impl KeySort {
    /// Every one.
    pub const ALL: &[KeySort] =
        &[KeySort::CreatedAt, KeySort::ExpiresAt, KeySort::Name, KeySort::LastUsedAt];

    /// The word used in queries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            KeySort::CreatedAt => "created_at",
            KeySort::ExpiresAt => "expires_at",
            KeySort::Name => "name",
            KeySort::LastUsedAt => "last_used_at",
        }
    }
}

impl FromStr for KeySort {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<KeySort, Invalid> {
        const WORDS: &[&str] = &["created_at", "expires_at", "name", "last_used_at"];
        let sort = KeySort::ALL.iter().find(|sort| sort.as_str() == text);
        sort.copied().ok_or(Invalid::UnknownWord(WORDS))
    }
}

/// What a key is sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says what it is")]
pub enum SortValue {
    Time(Timestamp),
    Name(KeyName),
}

/// A key in an order, and what it is sorted by there.
pub(crate) type Placed = (Option<SortValue>, Arc<Key>);

/// A key among those of the same value: in the order they were made.
#[derive(Clone)]
struct ByCreation(Arc<Key>);

impl Ord for ByCreation {
    fn cmp(&self, other: &ByCreation) -> Ordering {
        let (one, two) = (&self.0, &other.0);
        // Keys of one moment are in the order of their numbers, which are those of an account.
        one.created_at
            .cmp(&two.created_at)
            .then_with(|| one.made.account.cmp(&two.made.account))
            .then_with(|| one.made.number.cmp(&two.made.number))
    }
}

impl PartialOrd for ByCreation {
    fn partial_cmp(&self, other: &ByCreation) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByCreation {
    fn eq(&self, other: &ByCreation) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByCreation {}

/// Keys in the order of a value; those without one come last whichever way it is gone through.
pub(super) enum Sorted {
    Times(By<Timestamp>),
    Names(By<KeyName>),
}

/// What is sorted by values of one type.
pub(super) struct By<V> {
    value: fn(&Key) -> Option<V>,
    with: BTreeSet<(V, ByCreation)>,
    without: BTreeSet<ByCreation>,
    /// Where each key is: by its address, which it keeps as long as it is here.
    places: BTreeMap<usize, Option<V>>,
}

impl Sorted {
    /// No keys, to be sorted by `sort`.
    pub(super) fn new(sort: KeySort) -> Sorted {
        match sort {
            KeySort::CreatedAt => Sorted::Times(By::new(|key| Some(key.created_at))),
            KeySort::ExpiresAt => Sorted::Times(By::new(|key| key.state().expires_at)),
            KeySort::LastUsedAt => Sorted::Times(By::new(|key| key.uses.last())),
            KeySort::Name => Sorted::Names(By::new(|key| Some(key.attributes().name.clone()))),
        }
    }

    /// Puts the key where it belongs now, from wherever it was.
    pub(super) fn put(&mut self, key: &Arc<Key>) {
        match self {
            Sorted::Times(by) => by.put(key),
            Sorted::Names(by) => by.put(key),
        }
    }

    /// Takes the key out.
    pub(super) fn remove(&mut self, key: &Arc<Key>) {
        match self {
            Sorted::Times(by) => by.remove(key),
            Sorted::Names(by) => by.remove(key),
        }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Sorted::Times(by) => by.places.len(),
            Sorted::Names(by) => by.places.len(),
        }
    }

    /// Up to `limit` keys behind the place of `after`, each with its value.
    pub(super) fn slice(
        &self,
        after: Option<&Placed>,
        direction: Direction,
        limit: usize,
    ) -> Vec<Placed> {
        match self {
            Sorted::Times(by) => {
                let after = after.map(|(value, key)| (value.as_ref().and_then(time), key));
                let found = by.slice(after, direction, limit);
                found.into_iter().map(|(at, key)| (at.map(SortValue::Time), key)).collect()
            }
            Sorted::Names(by) => {
                let after = after.map(|(value, key)| (value.as_ref().and_then(name), key));
                let found = by.slice(after, direction, limit);
                found.into_iter().map(|(name, key)| (name.map(SortValue::Name), key)).collect()
            }
        }
    }
}

fn time(value: &SortValue) -> Option<Timestamp> {
    if let SortValue::Time(at) = value { Some(*at) } else { None }
}

fn name(value: &SortValue) -> Option<KeyName> {
    if let SortValue::Name(name) = value { Some(name.clone()) } else { None }
}

impl<V: Clone + Ord> By<V> {
    fn new(value: fn(&Key) -> Option<V>) -> By<V> {
        let (with, without, places) = Default::default();
        By { value, with, without, places }
    }

    fn put(&mut self, key: &Arc<Key>) {
        let value = (self.value)(key);
        match self.places.insert(Arc::as_ptr(key).addr(), value.clone()) {
            Some(before) if before == value => return,
            Some(before) => self.take(before, key),
            None => {}
        }
        let place = ByCreation(Arc::clone(key));
        match value {
            Some(value) => self.with.insert((value, place)),
            None => self.without.insert(place),
        };
    }

    fn remove(&mut self, key: &Arc<Key>) {
        if let Some(before) = self.places.remove(&Arc::as_ptr(key).addr()) {
            self.take(before, key);
        }
    }

    fn take(&mut self, value: Option<V>, key: &Arc<Key>) {
        let place = ByCreation(Arc::clone(key));
        match value {
            Some(value) => self.with.remove(&(value, place)),
            None => self.without.remove(&place),
        };
    }

    fn slice(
        &self,
        after: Option<(Option<V>, &Arc<Key>)>,
        direction: Direction,
        limit: usize,
    ) -> Vec<(Option<V>, Arc<Key>)> {
        let (with, without) = match after {
            None => (Some(Bound::Unbounded), Bound::Unbounded),
            Some((value, key)) => {
                let place = ByCreation(Arc::clone(key));
                match value {
                    Some(value) => (Some(Bound::Excluded((value, place))), Bound::Unbounded),
                    None => (None, Bound::Excluded(place)),
                }
            }
        };
        let with = with.map(|after| behind(&self.with, after, direction, limit));
        let mut found: Vec<_> =
            with.into_iter().flatten().map(|(value, key)| (Some(value), key.0)).collect();
        let left = limit - found.len();
        if left > 0 {
            let without = behind(&self.without, without, direction, left);
            found.extend(without.into_iter().map(|key| (None, key.0)));
        }
        found
    }
}

fn behind<T: Clone + Ord>(
    set: &BTreeSet<T>,
    after: Bound<T>,
    direction: Direction,
    limit: usize,
) -> Vec<T> {
    match direction {
        Direction::Ascending => set.range((after, Bound::Unbounded)).take(limit).cloned().collect(),
        Direction::Descending => {
            set.range((Bound::Unbounded, after)).rev().take(limit).cloned().collect()
        }
    }
}
