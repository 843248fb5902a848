//! A hash index over keys in 64 parts, so that growing one stalls few readers, and briefly.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use keys::NewKey;
use parking_lot::RwLock;

use super::Key;

const SHARDS: usize = 64;

pub(super) struct Shards {
    parts: Box<[Part]>,
    hash: fn(&NewKey) -> u64,
}

/// On a line of memory of its own: else cores that look into neighbours would wait for each other.
#[derive(Default)]
#[repr(align(64))]
struct Part(RwLock<HashTable<Entry>>);

/// A key, and what it was made as: one more pointer, so that a search that ends in memory nobody
/// has looked at for long waits for both at once and not for one after the other.
struct Entry {
    key: Arc<Key>,
    made: Arc<NewKey>,
}

impl Entry {
    fn is(&self, wanted: impl Fn(&NewKey) -> bool) -> bool {
        // Looked at first, to have it on its way while the other is compared.
        let _ = self.key.uses.raw();
        wanted(&self.made)
    }
}

impl Shards {
    pub(super) fn new(hash: fn(&NewKey) -> u64) -> Shards {
        Shards { parts: (0..SHARDS).map(|_| Part::default()).collect(), hash }
    }

    fn part(&self, hash: u64) -> Option<&RwLock<HashTable<Entry>>> {
        // The middle bits: the table itself uses the low and the high ones.
        self.parts.get((hash >> 32) as usize % SHARDS).map(|part| &part.0)
    }

    pub(super) fn insert(&self, key: &Arc<Key>) {
        let hash = (self.hash)(&key.made);
        if let Some(part) = self.part(hash) {
            let entry = Entry { key: Arc::clone(key), made: Arc::clone(&key.made) };
            part.write().insert_unique(hash, entry, |other| (self.hash)(&other.made));
        }
    }

    /// Makes room for `keys` keys, if there is much less.
    pub(super) fn expect(&self, keys: usize) {
        for Part(part) in &self.parts {
            let mut part = part.write();
            let wanted = keys / SHARDS;
            if part.capacity() < wanted / 2 {
                let more = wanted.saturating_sub(part.len());
                part.reserve(more, |entry| (self.hash)(&entry.made));
            }
        }
    }

    pub(super) fn find(&self, hash: u64, wanted: impl Fn(&NewKey) -> bool) -> Option<Arc<Key>> {
        let part = self.part(hash)?.read();
        part.find(hash, |entry| entry.is(&wanted)).map(|entry| Arc::clone(&entry.key))
    }

    /// The key for which `wanted` holds, whatever may have happened to it.
    pub(super) fn search(&self, hash: u64, wanted: impl Fn(&Key) -> bool) -> Option<Arc<Key>> {
        let part = self.part(hash)?.read();
        part.find(hash, |entry| wanted(&entry.key)).map(|entry| Arc::clone(&entry.key))
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
