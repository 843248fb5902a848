//! Keys that are imported: found again when the same line is sent again.

use std::sync::Arc;

use hashbrown::HashMap;
use keys::{Digest, KeyId, NewKey, Timestamp};

use super::Batch;
use crate::error::Error;
use crate::write::reply::ImportedKey;
use crate::write::request::{RequestContext, WantedKey};

/// What a batch has imported so far.
#[derive(Default)]
pub(super) struct Imports {
    by_digest: HashMap<Digest, Arc<NewKey>>,
    by_id: HashMap<[u8; 10], Arc<NewKey>>,
}

impl Imports {
    pub(super) fn made(&mut self, key: &Arc<NewKey>) {
        if key.imported.is_some() {
            self.by_digest.insert(key.digest, Arc::clone(key));
            self.by_id.insert(key.id.random_part(), Arc::clone(key));
        }
    }

    pub(super) fn has_digest(&self, digest: &Digest) -> bool {
        self.by_digest.contains_key(digest)
    }
}

impl Batch<'_> {
    /// Decides an import and writes it down, unless it was before.
    ///
    /// A line with an idempotency key has it in the random part of its key's id. So it is found
    /// again for as long as its key is there, whatever was imported since, and nothing is remembered
    /// for it: a million lines would not fit into the outcomes that are.
    pub(crate) fn import(
        &mut self,
        context: &RequestContext,
        wanted: &WantedKey,
        repeatable: bool,
    ) -> Result<ImportedKey, Error> {
        match repeatable.then(|| self.made_before(wanted.key.id)).flatten() {
            None => {
                let made = self.create(context, wanted)?;
                Ok(ImportedKey { id: made.key.id, repeated: false })
            }
            Some((made, at)) if is_same(&made, at, wanted) => {
                Ok(ImportedKey { id: made.id, repeated: true })
            }
            Some(_) => Err(Error::IdempotencyMismatch),
        }
    }

    /// The key whose id has the same random part, and when it was made.
    fn made_before(&self, id: KeyId) -> Option<(Arc<NewKey>, Timestamp)> {
        let pending = self.imports.by_id.get(&id.random_part());
        let pending = pending.map(|made| (Arc::clone(made), self.now));
        pending.or_else(|| {
            let key = self.state.table.alike(id)?;
            Some((Arc::clone(&key.made), key.created_at))
        })
    }
}

/// Whether a key that was made `at` that time is the wanted one.
fn is_same(made: &NewKey, at: Timestamp, wanted: &WantedKey) -> bool {
    let due = wanted.ttl_s.map(|seconds| at.plus_secs(seconds));
    let mut key = wanted.key.clone();
    (key.id, key.number, key.expires_at) = (made.id, made.number, due.or(key.expires_at));
    // Where they were left to its role, it has those that the role gave then.
    if key.role.is_some() && !wanted.permissions_named {
        key.permissions = Arc::clone(&made.permissions);
    }
    *made == key
}
