//! The keys of each owner of an account, by their places among the account's keys. A key that was
//! given to somebody else stays in the list of who had it: for looking back, and because places in
//! a list are where its pages go on. Whoever reads a list looks at whose each key is.

use hashbrown::HashMap;
use keys::Subject;
use parking_lot::RwLock;

/// Places by owner, in the order the keys were made.
#[derive(Default)]
pub(super) struct Owners(RwLock<HashMap<Subject, Places>>);

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

    /// Adds a place, unless it is there.
    fn add(&mut self, place: u32) {
        match self {
            Places::One(first) if *first == place => {}
            Places::One(first) => {
                *self = Places::Several(vec![place.min(*first), place.max(*first)]);
            }
            Places::Several(places) => {
                let at = places.partition_point(|other| *other < place);
                if places.get(at) != Some(&place) {
                    places.insert(at, place);
                }
            }
        }
    }
}

impl Owners {
    /// Adds the key at `place`.
    pub(super) fn add(&self, owner: &Subject, place: usize) {
        // Four thousand million keys of one account do not fit into memory.
        let Ok(place) = u32::try_from(place) else { return };
        self.0
            .write()
            .entry(owner.clone())
            .and_modify(|places| places.add(place))
            .or_insert(Places::One(place));
    }

    /// Up to `limit` places of the keys of `owner` that are not before `place`.
    pub(super) fn from(&self, owner: &Subject, place: usize, limit: usize) -> Vec<usize> {
        let owners = self.0.read();
        let places = owners.get(owner).map(Places::as_slice).unwrap_or_default();
        let before = places.partition_point(|other| (*other as usize) < place);
        places.iter().skip(before).take(limit).map(|place| *place as usize).collect()
    }

    /// Up to `limit` places of the keys of `owner`, from its own `after`th on.
    pub(super) fn slice(&self, owner: &Subject, after: usize, limit: usize) -> Vec<usize> {
        let owners = self.0.read();
        let places = owners.get(owner).map(Places::as_slice).unwrap_or_default();
        places.iter().skip(after).take(limit).map(|place| *place as usize).collect()
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
        assert_eq!(owners.slice(&ann, 0, 9), [0, 2, 3, 7]);
        assert_eq!(owners.slice(&ann, 1, 2), [2, 3]);
        assert_eq!(owners.slice(&ann, 4, 2), [0; 0]);
        assert_eq!(owners.from(&ann, 1, 2), [2, 3]);
        assert_eq!(owners.from(&ann, 3, 9), [3, 7]);
        assert_eq!(owners.from(&ann, 8, 9), [0; 0]);
        assert_eq!(owners.slice(&bob, 0, 9), [1]);
        // Given to bob, one after and one before his own.
        for place in [7, 0, 7, 1] {
            owners.add(&bob, place);
        }
        assert_eq!(owners.slice(&bob, 0, 9), [0, 1, 7]);
        assert_eq!(owners.slice(&Subject::new("eve").unwrap(), 0, 9), [0; 0]);
    }
}
