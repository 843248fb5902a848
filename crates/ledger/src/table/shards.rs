//! A hash index over keys in 64 parts, so that growing one stalls few readers, and briefly.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use parking_lot::RwLock;

use super::Key;

const SHARDS: usize = 64;

pub(super) struct Shards {
    parts: Box<[RwLock<HashTable<Arc<Key>>>]>,
    hash: fn(&Key) -> u64,
}

impl Shards {
    pub(super) fn new(hash: fn(&Key) -> u64) -> Shards {
        Shards { parts: (0..SHARDS).map(|_| RwLock::default()).collect(), hash }
    }

    fn part(&self, hash: u64) -> Option<&RwLock<HashTable<Arc<Key>>>> {
        // The middle bits: the table itself uses the low and the high ones.
        self.parts.get((hash >> 32) as usize % SHARDS)
    }

    pub(super) fn insert(&self, key: &Arc<Key>) {
        let hash = (self.hash)(key);
        if let Some(part) = self.part(hash) {
            part.write().insert_unique(hash, Arc::clone(key), |key| (self.hash)(key));
        }
    }

    pub(super) fn find(&self, hash: u64, wanted: impl Fn(&Key) -> bool) -> Option<Arc<Key>> {
        self.part(hash)?.read().find(hash, |key| wanted(key)).cloned()
    }
}

/// The first 8 bytes of what is random already.
pub(super) fn hash_bytes(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

/// A hash of a short text that we made ourselves: nobody can choose texts that collide.
pub(super) fn hash_text(text: &str) -> u64 {
    std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(text)
}
