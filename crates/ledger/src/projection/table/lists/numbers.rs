//! Places of keys that have something in common: compressed where they are many, and small where
//! they are few, which they are for most values.

use roaring::RoaringBitmap;

/// More than so many are compressed.
const FEW: usize = if cfg!(test) { 4 } else { 48 };

/// Places of keys, each once, in their order.
pub(super) enum Numbers {
    One(u32),
    Few(Vec<u32>),
    Many(Box<RoaringBitmap>),
}

impl Numbers {
    /// Adds a place; whether it was not there.
    pub(super) fn add(&mut self, place: u32) -> bool {
        match self {
            Numbers::One(first) if *first == place => false,
            Numbers::One(first) => {
                *self = Numbers::Few(vec![place.min(*first), place.max(*first)]);
                true
            }
            Numbers::Few(places) => {
                let Err(at) = places.binary_search(&place) else { return false };
                places.insert(at, place);
                if places.len() > FEW {
                    *self = Numbers::Many(Box::new(places.iter().collect()));
                }
                true
            }
            Numbers::Many(places) => places.insert(place),
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Numbers::One(_) => 1,
            Numbers::Few(places) => places.len() as u64,
            Numbers::Many(places) => places.len(),
        }
    }

    pub(super) fn copied(&self) -> RoaringBitmap {
        match self {
            Numbers::One(place) => [*place].into_iter().collect(),
            Numbers::Few(places) => places.iter().collect(),
            Numbers::Many(places) => RoaringBitmap::clone(places),
        }
    }

    /// Leaves in `found` what is here too.
    pub(super) fn narrow(&self, found: &mut RoaringBitmap) {
        match self {
            Numbers::Many(places) => *found &= &**places,
            Numbers::One(_) | Numbers::Few(_) => *found &= self.copied(),
        }
    }
}
