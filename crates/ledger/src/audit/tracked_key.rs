//! What an auditor remembers of keys, and which records it can expect.

use std::hash::{BuildHasher, RandomState};

use eventlog::Seq;
use hashbrown::{DefaultHashBuilder, HashMap};
use indexmap::IndexMap;
use keys::{
    Account, Attribute, Dialect, Edit, Environment, KeyId, KeyState, Kind, NewKey, Subject,
    Timestamp, Update,
};

use crate::projection::row::Row;
use crate::record::Salt;
use signedlog::Leaf;

/// Keys by their ids. A new one is put after the last, whose place is in the caches.
pub(super) type Keys = IndexMap<KeyId, TrackedKey, DefaultHashBuilder>;

/// What an auditor remembers of a key.
#[derive(Clone)]
pub(super) struct TrackedKey {
    pub(super) account: Account,
    /// What a rotation copies; `None` if the key's creation was not handed in.
    pub(super) made: Option<Made>,
    pub(super) state: KeyState,
    pub(super) head: (Seq, Leaf),
    pub(super) attributes: AttributeHashes,
}

impl TrackedKey {
    pub(super) fn row(&self, id: KeyId) -> Option<Row> {
        let made = self.made.as_ref()?;
        Some(Row::of(id, &made.salt, &self.state, self.head.1))
    }
}

/// The part of a key that a rotation copies and a row holds.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) owner: Subject,
    pub(super) kind: Kind,
    pub(super) environment: Environment,
    pub(super) dialect: Dialect,
    pub(super) salt: Salt,
    pub(super) created_at: Timestamp,
}

/// Which of a log's records are handed in.
pub(super) enum Extent {
    /// All.
    Whole,
    /// All those of one account.
    Account,
    /// Some of an account, or those of a span of time; with the accounts of keys made before.
    Part(HashMap<KeyId, Account>),
    /// Those of one key.
    Key,
}

/// What a key's attributes are, as hashes under a secret of this audit: enough to know whether a
/// record names the values that were there before. 0 stands for a value that is not known.
#[derive(Clone)]
pub(super) struct AttributeHashes([u32; Attribute::ALL.len()]);

impl AttributeHashes {
    /// Those of a new key.
    pub(super) fn of(key: &NewKey, secret: &RandomState) -> AttributeHashes {
        let mut hashes = AttributeHashes::unknown();
        for (place, attribute) in hashes.0.iter_mut().zip(Attribute::ALL) {
            *place = short(attribute.hash_of(key, secret));
        }
        hashes
    }

    /// Those of a key whose creation was not handed in.
    pub(super) fn unknown() -> AttributeHashes {
        AttributeHashes([0; Attribute::ALL.len()])
    }

    /// Those after `update`; `None` if it names other values before it.
    pub(super) fn after(
        &self,
        update: &Update,
        state: &KeyState,
        secret: &RandomState,
    ) -> Option<AttributeHashes> {
        let mut hashes = self.clone();
        for edit in update.iter() {
            let place = hashes.0.get_mut(edit.attribute() as usize)?;
            let (before, after) = edit.hashes(secret);
            // A rotation moves the due time too; the state has it.
            let expected = if *place != 0 && matches!(edit, Edit::ExpiresAt { .. }) {
                short(secret.hash_one(state.expires_at))
            } else {
                *place
            };
            if expected != 0 && expected != short(before) {
                return None;
            }
            *place = short(after);
        }
        Some(hashes)
    }
}

/// Half of a hash, never 0.
fn short(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(u32::MAX).max(1)
}
