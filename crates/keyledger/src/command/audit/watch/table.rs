//! The signed table of keys, against how keys stand after their events.
//!
//! A table is of an earlier size of the log than the events that were read last. So a key is compared before
//! the first event that the table cannot have, and the rest when all events were read.

use std::collections::{BTreeMap, BTreeSet};

use bundle::RowsProved;
use keys::KeyId;
use ledger::{Row, Seq};

use super::followed_key::FollowedKey;

/// The rows of an account's keys.
#[derive(Default)]
pub(super) struct Table {
    /// Those that were not compared yet, each with the size of the log that it is of.
    rows: BTreeMap<KeyId, (u64, [u8; Row::LEN])>,
    /// The keys that have one.
    listed: BTreeSet<KeyId>,
    /// The least size that a row is of; `None` before the first page.
    least: Option<u64>,
    /// Keys that are not as their rows say.
    differing: Vec<KeyId>,
}

impl Table {
    /// Adds a page.
    pub(super) fn add(&mut self, page: RowsProved) {
        let size = page.table_size;
        self.least = Some(self.least.map_or(size, |least| least.min(size)));
        self.listed.extend(page.rows.iter().map(|(id, _)| *id));
        self.rows.extend(page.rows.into_iter().map(|(id, row)| (id, (size, row))));
    }

    /// Compares the keys that the record at `seq` touches, where their rows are from before it.
    pub(super) fn compare_before<'l>(
        &mut self,
        seq: Seq,
        touched: impl Iterator<Item = &'l KeyId>,
        keys: &BTreeMap<KeyId, FollowedKey>,
    ) {
        for id in touched {
            if self.rows.get(id).is_some_and(|(size, _)| *size <= seq.0) {
                self.compare(*id, keys);
            }
        }
    }

    /// Compares the rest.
    pub(super) fn compare_rest(&mut self, keys: &BTreeMap<KeyId, FollowedKey>) {
        let rest: Vec<KeyId> = self.rows.keys().copied().collect();
        for id in rest {
            self.compare(id, keys);
        }
    }

    fn compare(&mut self, id: KeyId, keys: &BTreeMap<KeyId, FollowedKey>) {
        let Some((size, row)) = self.rows.remove(&id) else { return };
        let is_as_shown = match keys.get(&id) {
            None => false,
            // Read in an earlier look, and younger than the row: the next table has it.
            Some(key) if key.head.0.0 >= size => true,
            Some(key) => key.row(id) == Some(row),
        };
        if !is_as_shown {
            self.differing.push(id);
        }
    }

    /// The keys that should have a row and have none.
    pub(super) fn vanished(&self, keys: &BTreeMap<KeyId, FollowedKey>) -> Vec<KeyId> {
        let Some(least) = self.least else { return Vec::new() };
        let older = keys.iter().filter(|(_, key)| key.head.0.0 < least).map(|(id, _)| *id);
        older.filter(|id| !self.listed.contains(id)).collect()
    }

    /// The keys that are not as their rows say.
    pub(super) fn differing(self) -> Vec<KeyId> {
        self.differing
    }
}

#[cfg(test)]
mod tests {
    use keys::{KeyState, Status, Timestamp};
    use ledger::Leaf;

    use super::*;

    fn key(revision: u32, seq: u64) -> FollowedKey {
        let state = KeyState {
            status: Status::Enabled,
            revision,
            expires_at: None,
            updated_at: Timestamp::MIN,
            replaced_by: None,
        };
        FollowedKey { state, head: (Seq(seq), Leaf([9; 32])), salt: Some([1; 12]) }
    }

    /// Rows are of size 10: one that changes at 12 is compared before that, one that changed at 11 in an
    /// earlier look not at all.
    #[test]
    fn a_key_is_compared_as_it_was_when_the_table_was_made() {
        let ids: Vec<KeyId> = (0..6).map(|n| KeyId::from_bytes([n; 16])).collect();
        let [same, changes, other, new, young, gone] = ids.try_into().unwrap();
        let row = |id: KeyId, key: FollowedKey| (id, (10, key.row(id).unwrap()));
        let mut table = Table {
            rows: [
                row(same, key(1, 3)),
                row(changes, key(1, 4)),
                row(other, key(2, 5)),
                row(new, key(1, 6)),
                row(young, key(1, 7)),
            ]
            .into(),
            listed: [same, changes, other, new, young].into(),
            least: Some(10),
            differing: Vec::new(),
        };
        let mut keys: BTreeMap<_, _> = [
            (same, key(1, 3)),
            (changes, key(1, 4)),
            (other, key(1, 5)),
            (young, key(2, 11)),
            (gone, key(1, 2)),
        ]
        .into();
        table.compare_before(Seq(12), [changes].iter(), &keys);
        keys.insert(changes, key(2, 12));
        table.compare_rest(&keys);
        assert_eq!(table.vanished(&keys), [gone]);
        assert_eq!(table.differing(), [other, new]);
    }
}
