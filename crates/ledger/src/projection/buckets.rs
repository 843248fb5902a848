//! The buckets of the key table's tree: which keys are in each, and which were touched since the last tree.
//!
//! Neither lies on the way of a create or a verify. Who applies a record sets a bit, and who makes the
//! next tree sorts the keys that are new into their buckets first.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use keys::KeyId;
use tlog::{BUCKETS, bucket_of};

use crate::projection::row::Row;

/// The bucket of a key.
pub(crate) fn bucket(key: KeyId) -> u16 {
    bucket_of(&Row::place(key))
}

/// Which buckets were touched: a bit for each, 8 KiB.
///
/// To be set after the table has the record, and before the size says so. So whoever reads the size, takes
/// the bits, and then reads the table, misses no record before that size; a later one it may have taken
/// the bit of, which it sees in the table, and it has to set that bit again.
pub(crate) struct TouchedBuckets {
    /// Before the first tree nobody wants to know.
    is_wanted: AtomicBool,
    bits: Box<[AtomicU64]>,
}

impl Default for TouchedBuckets {
    fn default() -> TouchedBuckets {
        let words = BUCKETS / u64::BITS as usize;
        TouchedBuckets {
            is_wanted: AtomicBool::new(false),
            bits: (0..words).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl TouchedBuckets {
    /// Remembers that these keys were touched.
    pub(crate) fn touch(&self, keys: impl Iterator<Item = KeyId>) {
        if self.is_wanted.load(Ordering::Acquire) {
            keys.for_each(|key| self.add(bucket(key)));
        }
    }

    /// From now on they are remembered; to be called before the size of the first tree is read.
    pub(crate) fn begin(&self) {
        self.is_wanted.store(true, Ordering::Release);
    }

    pub(crate) fn add(&self, bucket: u16) {
        if let Some(word) = self.bits.get(usize::from(bucket) / 64) {
            word.fetch_or(1 << (bucket % 64), Ordering::AcqRel);
        }
    }

    /// Those that were touched since they were taken last, in order.
    pub(crate) fn take(&self) -> Vec<u16> {
        let mut taken = Vec::new();
        for (first, word) in (0..=u16::MAX).step_by(64).zip(&self.bits) {
            let mut word = word.swap(0, Ordering::AcqRel);
            while word != 0 {
                let bit = word.trailing_zeros();
                taken.extend(u16::try_from(bit).ok().map(|bit| first + bit));
                word &= word - 1;
            }
        }
        taken
    }
}

/// Keys in one allocation of [`BucketIndex`]: so that it never moves what it has.
const CHUNK: usize = 1 << 16;

/// The keys of each bucket, by their places in the order in which keys were made: a chain for each
/// bucket, from the newest one back. 4 bytes a key, and 256 KiB.
#[derive(Default)]
pub(crate) struct BucketIndex {
    /// The place after that of each bucket's newest key; 0 if there is none.
    newest: Vec<u32>,
    /// For each key the place after that of the one before it in its bucket.
    before: Vec<Vec<u32>>,
    length: usize,
}

impl BucketIndex {
    /// How many keys it has: those at the first places.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Adds the keys at the next places, by their buckets.
    pub(crate) fn extend(&mut self, buckets: impl Iterator<Item = u16>) {
        self.newest.resize(BUCKETS, 0);
        for bucket in buckets {
            if self.length.is_multiple_of(CHUNK) {
                self.before.push(Vec::with_capacity(CHUNK));
            }
            self.length += 1;
            let newest = self.newest.get_mut(usize::from(bucket));
            let (Some(newest), Some(chunk)) = (newest, self.before.last_mut()) else { return };
            #[expect(clippy::expect_used, reason = "another number would name another key")]
            let after = u32::try_from(self.length).expect("memory holds fewer than 2^32 keys");
            chunk.push(std::mem::replace(newest, after));
        }
    }

    /// The places of a bucket's keys, the last one first.
    pub(crate) fn of(&self, bucket: u16) -> Vec<usize> {
        let newest = self.newest.get(usize::from(bucket)).copied().unwrap_or(0);
        let before = |place: &usize| {
            let chunk = self.before.get(place / CHUNK)?;
            chunk.get(place % CHUNK).copied().and_then(place_of)
        };
        std::iter::successors(place_of(newest), before).collect()
    }

    /// The buckets that have keys, in order.
    pub(crate) fn filled(&self) -> Vec<u16> {
        let filled = (0..=u16::MAX).zip(&self.newest).filter(|(_, newest)| **newest != 0);
        filled.map(|(bucket, _)| bucket).collect()
    }
}

/// The place before this one.
fn place_of(after: u32) -> Option<usize> {
    (after as usize).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_index_has_every_key_in_its_bucket(
            slices in prop::collection::vec(prop::collection::vec(prop_oneof![0..4_u16, any::<u16>()], 0..200), 0..8)
        ) {
            let (mut index, mut expected) = (BucketIndex::default(), BTreeMap::<u16, Vec<usize>>::new());
            for slice in &slices {
                for (place, bucket) in (index.len()..).zip(slice) {
                    expected.entry(*bucket).or_default().insert(0, place);
                }
                index.extend(slice.iter().copied());
            }
            prop_assert_eq!(index.filled(), expected.keys().copied().collect::<Vec<_>>());
            for (bucket, places) in &expected {
                prop_assert_eq!(&index.of(*bucket), places);
            }
            prop_assert_eq!(index.len(), slices.iter().map(Vec::len).sum::<usize>());
        }
    }

    #[test]
    fn an_index_of_several_chunks_has_all_keys() {
        let mut index = BucketIndex::default();
        index.extend((0..3 * CHUNK).map(|place| u16::try_from(place % 7).unwrap()));
        let found: usize = (0..7).map(|bucket| index.of(bucket).len()).sum();
        assert_eq!(found, 3 * CHUNK);
        assert!(index.of(3).iter().all(|place| place % 7 == 3) && index.of(7).is_empty());
    }

    #[test]
    fn what_was_touched_is_taken_once() {
        let touched = TouchedBuckets::default();
        let keys = || (0..200).map(|byte| KeyId::from_bytes([byte; 16]));
        touched.touch(keys());
        assert!(touched.take().is_empty(), "nobody wanted to know");
        touched.begin();
        touched.touch(keys());
        touched.add(0);
        touched.add(u16::MAX);
        let mut expected: Vec<_> = keys().map(bucket).chain([0, u16::MAX]).collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(touched.take(), expected);
        assert!(touched.take().is_empty());
    }
}
