//! A hash index over keys in 4,096 parts, so that growing one stalls few readers, and briefly: of ten
//! million keys 2,400 are hashed again, in a fraction of a millisecond.

use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock};

use hashbrown::{DefaultHashBuilder, HashTable};
use keys::{Digest, KeyId, NewKey};
use parking_lot::RwLock;

use super::Key;

const SHARDS: usize = 4096;

/// An index whose entries are `E`.
pub(super) struct Shards<E> {
    parts: Box<[Part<E>]>,
    hash: fn(&NewKey) -> u64,
}

/// On a line of memory of its own: else cores that look into neighbours would wait for each other.
#[repr(align(64))]
struct Part<E>(RwLock<HashTable<E>>);

/// What an index holds of a key.
pub(super) trait Entry {
    fn of(key: &Arc<Key>) -> Self;
    fn key(&self) -> &Arc<Key>;
    fn made(&self) -> &NewKey;
}

/// One pointer: small.
impl Entry for Arc<Key> {
    fn of(key: &Arc<Key>) -> Arc<Key> {
        Arc::clone(key)
    }

    fn key(&self) -> &Arc<Key> {
        self
    }

    fn made(&self) -> &NewKey {
        &self.made
    }
}

/// Speed: a key, and what it was made as: one more pointer than the plain entry, so that a search that ends in memory nobody
/// has looked at for long waits for both at once and not for one after the other.
pub(super) struct Both {
    key: Arc<Key>,
    made: Arc<NewKey>,
}

impl Entry for Both {
    fn of(key: &Arc<Key>) -> Both {
        Both { key: Arc::clone(key), made: Arc::clone(&key.made) }
    }

    fn key(&self) -> &Arc<Key> {
        &self.key
    }

    fn made(&self) -> &NewKey {
        // Looked at first, to have it on its way while the other is compared.
        let _ = self.key.uses.last();
        &self.made
    }
}

impl<E: Entry> Shards<E> {
    pub(super) fn new(hash: fn(&NewKey) -> u64) -> Shards<E> {
        Shards { parts: (0..SHARDS).map(|_| Part(RwLock::default())).collect(), hash }
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder of the number of parts")]
    fn part(&self, hash: u64) -> &RwLock<HashTable<E>> {
        // The middle bits: the table itself uses the low and the high ones.
        &self.parts[(hash >> 32) as usize % SHARDS].0
    }

    pub(super) fn insert(&self, key: &Arc<Key>) {
        let hash = (self.hash)(&key.made);
        let mut part = self.part(hash).write();
        part.insert_unique(hash, E::of(key), |other| (self.hash)(other.made()));
    }

    /// Puts `new` in the place of `old`: there is no moment in which neither is found.
    pub(super) fn replace(&self, old: &Arc<Key>, new: &Arc<Key>) {
        let hash = (self.hash)(&old.made);
        let mut part = self.part(hash).write();
        if let Some(entry) = part.find_mut(hash, |entry| Arc::ptr_eq(entry.key(), old)) {
            *entry = E::of(new);
        }
    }

    /// Makes room for `keys` keys, if there is much less.
    pub(super) fn expect(&self, keys: usize) {
        for Part(part) in &self.parts {
            let mut part = part.write();
            let wanted = keys / SHARDS;
            if part.capacity() < wanted / 2 {
                let more = wanted.saturating_sub(part.len());
                part.reserve(more, |entry| (self.hash)(entry.made()));
            }
        }
    }

    pub(super) fn find(&self, hash: u64, wanted: impl Fn(&NewKey) -> bool) -> Option<Arc<Key>> {
        let part = self.part(hash).read();
        part.find(hash, |entry| wanted(entry.made())).map(|entry| Arc::clone(entry.key()))
    }

    /// The key for which `wanted` holds, whatever may have happened to it.
    pub(super) fn search(&self, hash: u64, wanted: impl Fn(&Key) -> bool) -> Option<Arc<Key>> {
        let part = self.part(hash).read();
        part.find(hash, |entry| wanted(entry.key())).map(|entry| Arc::clone(entry.key()))
    }
}

/// What ids and digests are hashed with. Both look random, but whoever imports keys can choose them:
/// without a secret of this process, so that many of them lie in one place, and every search waits.
static SECRET: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

/// The bits of an id that are not of the moment of creation: [`KeyId::random_part`].
const RANDOM: u128 = (1 << 80) - 1;

/// Of what does not come from the moment of creation: alike for ids that have that in common.
pub(super) fn hash_id(id: KeyId) -> u64 {
    SECRET.hash_one(u128::from_be_bytes(id.to_bytes()) & RANDOM)
}

/// Of two numbers, which takes half the time that bytes take: a growing table hashes all keys again.
pub(super) fn hash_digest(digest: &Digest) -> u64 {
    let ([one, other], _) = digest.0.as_chunks::<16>() else {
        unreachable!("a digest has 32 bytes")
    };
    SECRET.hash_one((u128::from_le_bytes(*one), u128::from_le_bytes(*other)))
}

/// A hash of a short text that we made ourselves: nobody can choose texts that collide.
pub(super) fn hash_text(text: &str) -> u64 {
    std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(text)
}

#[cfg(test)]
mod tests {
    use eventlog::Log;
    use eventlog::memory::MemoryLog;

    use super::*;
    use crate::testing::{ManualClock, draft, open, owner};
    use crate::write::request::RequestOptions;

    /// The index with two pointers in an entry finds what the plain one finds.
    #[tokio::test]
    async fn a_key_is_found_by_its_digest_as_by_its_id() {
        let (log, clock) = (Arc::new(MemoryLog::new()) as Arc<dyn Log>, ManualClock::new());
        let ledger = open(&log, &clock);
        for _ in 0..100 {
            ledger.create(&owner(), draft(None), RequestOptions::default()).await.unwrap();
        }
        let table = &ledger.state().table;
        for key in table.slice(0, 100) {
            let by_id = table.get(key.made.id).unwrap();
            let by_digest = table.by_digest(&key.made.digest).unwrap();
            assert!(Arc::ptr_eq(&by_id, &by_digest) && Arc::ptr_eq(&by_id, &key));
        }
        assert!(table.by_digest(&Digest([0; 32])).is_none());
    }
}
