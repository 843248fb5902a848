//! The keys of each owner of an account, by their places among the account's keys. A key that was
//! given to somebody else stays in the list of who had it: for looking back, and because places in
//! a list are where its pages go on. Whoever reads a list looks at whose each key is.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use keys::Subject;
use parking_lot::RwLock;
use roaring::RoaringBitmap;

/// Places by owner, in the order the keys were made.
#[derive(Default)]
pub(super) struct Owners {
    places: RwLock<HashMap<Subject, Places>>,
    /// How many of those places are of keys that it does not have any more.
    given: RwLock<HashMap<Subject, usize>>,
}

/// Places among the keys of an account. An owner mostly has one key, and there may be millions of
/// owners: one place takes no memory of its own.
enum Places {
    One(u32),
    Several(Vec<u32>),
}

impl Places {
    fn as_slice(&self) -> &[u32] {
        match self {
            Places::One(place) => std::slice::from_ref(place),
            Places::Several(places) => places,
        }
    }

    /// Adds a place, unless it is there. Whether it was not.
    fn add(&mut self, place: u32) -> bool {
        let places = self.as_slice();
        // Mostly it is a key that was just made, and comes last.
        let is_last = places.last().is_some_and(|last| *last < place);
        let at = if is_last { Err(places.len()) } else { places.binary_search(&place) };
        let Err(at) = at else { return false };
        match self {
            Places::One(first) => {
                *self = Places::Several(vec![place.min(*first), place.max(*first)]);
            }
            Places::Several(places) => places.insert(at, place),
        }
        true
    }
}

impl Owners {
    /// Adds the key at `place`. Whether `owner` never had it before.
    pub(super) fn add(&self, owner: &Subject, place: usize) -> bool {
        // Four thousand million keys of one account do not fit into memory.
        let Ok(place) = u32::try_from(place) else { return true };
        match self.places.write().entry(owner.clone()) {
            Entry::Occupied(mut places) => places.get_mut().add(place),
            Entry::Vacant(entry) => {
                entry.insert(Places::One(place));
                true
            }
        }
    }

    /// Adds the key at `place` for `to`, which `from` has no more.
    pub(super) fn give(&self, from: &Subject, to: &Subject, place: usize) {
        let is_new = self.add(to, place);
        let mut given = self.given.write();
        *given.entry(from.clone()).or_default() += 1;
        if !is_new && let Some(count) = given.get_mut(to) {
            *count = count.saturating_sub(1);
        }
    }

    /// Whether `owner` has a key, or ever had one.
    pub(super) fn knows(&self, owner: &Subject) -> bool {
        self.places.read().contains_key(owner)
    }

    /// Has `erased` in the place of `owner`, who was erased.
    pub(super) fn erase(&self, owner: &Subject, erased: &Subject) {
        let mut places = self.places.write();
        if let Some(own) = places.remove(owner) {
            places.insert(erased.clone(), own);
        }
        let mut given = self.given.write();
        if let Some(own) = given.remove(owner) {
            given.insert(erased.clone(), own);
        }
    }

    /// Up to `limit` places of the keys of `owner` that are not before `place`.
    pub(super) fn from(&self, owner: &Subject, place: usize, limit: usize) -> Vec<usize> {
        let owners = self.places.read();
        let places = owners.get(owner).map(Places::as_slice).unwrap_or_default();
        let before = places.partition_point(|other| (*other as usize) < place);
        places.iter().skip(before).take(limit).map(|place| *place as usize).collect()
    }

    /// Up to `limit` places of the keys of `owner` that are before `place`, the last one first.
    pub(super) fn before(&self, owner: &Subject, place: usize, limit: usize) -> Vec<usize> {
        let owners = self.places.read();
        let places = owners.get(owner).map(Places::as_slice).unwrap_or_default();
        let before = places.partition_point(|other| (*other as usize) < place);
        let places = places.iter().take(before).rev().take(limit);
        places.map(|place| *place as usize).collect()
    }

    /// The places of all keys that `owner` has or ever had.
    pub(super) fn all(&self, owner: &Subject) -> RoaringBitmap {
        let places = self.places.read().get(owner).map(|places| places.as_slice().to_vec());
        // What takes longer than a copy is done behind the lock.
        places.unwrap_or_default().into_iter().collect()
    }

    /// How many keys `owner` has.
    pub(super) fn len(&self, owner: &Subject) -> usize {
        let places = self.places.read().get(owner).map_or(0, |places| places.as_slice().len());
        places.saturating_sub(self.given.read().get(owner).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_its_places_in_order() {
        let (owners, ann, bob) =
            (Owners::default(), Subject::new("ann").unwrap(), Subject::new("bob").unwrap());
        for place in [0, 2, 3, 7] {
            owners.add(&ann, place);
        }
        owners.add(&bob, 1);
        let eve = Subject::new("eve").unwrap();
        let counts = || [&ann, &bob, &eve].map(|owner| owners.len(owner));
        assert_eq!(counts(), [4, 1, 0]);
        assert_eq!(owners.from(&ann, 0, 9), [0, 2, 3, 7]);
        assert_eq!(owners.from(&ann, 1, 2), [2, 3]);
        assert_eq!(owners.from(&ann, 3, 9), [3, 7]);
        assert_eq!(owners.from(&ann, 8, 9), [0; 0]);
        assert_eq!(owners.before(&ann, 3, 9), [2, 0]);
        assert_eq!(owners.before(&ann, 99, 2), [7, 3]);
        assert_eq!(owners.before(&ann, 0, 9), [0; 0]);
        assert_eq!(owners.from(&bob, 0, 9), [1]);
        // Given to bob, one after and one before his own; one of them back, and to bob again.
        for (from, to, place) in [(&ann, &bob, 7), (&ann, &bob, 0), (&bob, &ann, 7)] {
            owners.give(from, to, place);
        }
        assert_eq!(owners.from(&bob, 0, 9), [0, 1, 7]);
        assert_eq!(owners.from(&ann, 0, 9), [0, 2, 3, 7]);
        assert_eq!(counts(), [3, 2, 0]);
        owners.give(&ann, &bob, 7);
        assert_eq!(counts(), [2, 3, 0]);
        assert_eq!(owners.from(&eve, 0, 9), [0; 0]);
    }
}
