//! Making the tree of the key table's buckets: the first one from all keys, each later one from what was
//! touched since the last.
//!
//! Made off the writer's path, from the live table: a key that a later record has touched meanwhile is taken
//! back along its links to what it was.

use std::sync::Arc;

use eventlog::Seq;
use parking_lot::MutexGuard;

use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::buckets::bucket;
use crate::projection::row::Row;
use crate::projection::table::{ChainedState, Key};
use crate::projection::table_snapshot::{TableTree, bucket_root};

/// Keys taken from the table under one hold of its lock.
const SLICE: usize = 1024;
/// From how many keys on the first tree is made when the ledger opens, beside everything else.
const MANY: usize = 50_000;

/// The last tree, and that nobody else makes the next one.
pub(crate) type Making<'l> = MutexGuard<'l, Option<Arc<TableTree>>>;

/// The rows of a bucket, sorted.
pub(crate) struct BucketRows {
    pub(crate) rows: Vec<Row>,
    /// Whether a later record has touched one of its keys, or made another.
    is_touched_since: bool,
}

impl Ledger {
    /// Makes the first tree on a thread of its own, if that takes its time.
    ///
    /// # Errors
    ///
    /// There is no such thread.
    pub(crate) fn prepare_table(&self) -> std::io::Result<()> {
        if self.state().table.len() < MANY || self.log().signing().is_err() {
            return Ok(());
        }
        let ledger = self.clone();
        let make = move || {
            let mut making = ledger.state().snapshots.making.lock();
            if let Err(error) = ledger.table_tree(&mut making) {
                tracing::warn!(%error, "the tree of the key table was not made; the first proof makes it");
            }
        };
        std::thread::Builder::new().name("ledger-table".into()).spawn(make).map(drop)
    }

    /// The tree after all records that are applied.
    ///
    /// # Errors
    ///
    /// Nobody waits for it, or a fault of the storage; the last one is still there.
    pub(crate) fn table_tree(&self, making: &mut Making<'_>) -> Result<Arc<TableTree>, Error> {
        let snapshots = &self.state().snapshots;
        let (touched, made) = if let Some(last) = &**making {
            let size = self.state().size();
            if last.size == size {
                self.still_wanted()?;
                return Ok(Arc::clone(last));
            }
            // After the size.
            let touched = snapshots.touched.take();
            let made = self.index_keys().and_then(|()| self.tree_after(last, &touched, size));
            (touched, made)
        } else {
            snapshots.touched.begin();
            let size = self.state().size();
            let made = self.index_keys().and_then(|()| {
                let filled = snapshots.index.read().filled();
                self.tree_after(&TableTree::of_nothing(), &filled, size)
            });
            (Vec::new(), made)
        };
        // The bit of a later record may be taken; after an error all of them are.
        let again = made.as_ref().map_or(&touched, |(_, later)| later);
        for bucket in again {
            snapshots.touched.add(*bucket);
        }
        let tree = Arc::new(made?.0);
        **making = Some(Arc::clone(&tree));
        Ok(tree)
    }

    /// The tree after the first `size` records: as `tree`, but for some buckets; and which of these a later
    /// record has touched.
    pub(crate) fn tree_after(
        &self,
        tree: &TableTree,
        buckets: &[u16],
        size: Seq,
    ) -> Result<(TableTree, Vec<u16>), Error> {
        let (mut roots, mut later) = (Vec::with_capacity(buckets.len()), Vec::new());
        for &bucket in buckets {
            self.still_wanted()?;
            let BucketRows { rows, is_touched_since } = self.bucket_rows(bucket, size)?;
            later.extend(is_touched_since.then_some(bucket));
            roots.push((bucket, bucket_root(&rows)));
        }
        let mut buckets = tree.buckets.clone();
        buckets.set(roots);
        Ok((TableTree { size, buckets }, later))
    }

    /// Sorts the keys that are new into their buckets.
    fn index_keys(&self) -> Result<(), Error> {
        let index = &self.state().snapshots.index;
        loop {
            self.still_wanted()?;
            let keys = self.state().table.slice(index.read().len(), SLICE);
            if keys.is_empty() {
                return Ok(());
            }
            let buckets: Vec<u16> = keys.iter().map(|key| bucket(key.made.id)).collect();
            index.write().extend(buckets.into_iter());
        }
    }

    /// The rows of a bucket after the first `size` records, of which the index has all keys.
    pub(crate) fn bucket_rows(&self, bucket: u16, size: Seq) -> Result<BucketRows, Error> {
        let places = self.state().snapshots.index.read().of(bucket);
        let (mut rows, mut is_touched_since) = (Vec::with_capacity(places.len()), false);
        for places in places.chunks(SLICE) {
            for key in self.state().table.at(places) {
                let now = key.chained_state();
                is_touched_since |= now.head.0 >= size;
                rows.extend(self.row(&key, now, size)?);
            }
        }
        rows.sort_unstable();
        Ok(BucketRows { rows, is_touched_since })
    }

    /// The row that `key`, which stands as `now` says, had after the first `size` records; `None` if it was
    /// made later.
    fn row(&self, key: &Key, now: ChainedState, size: Seq) -> Result<Option<Row>, Error> {
        let ChainedState { state, head } = now;
        if head.0 < size {
            return Ok(Some(Row::of(key.made.id, &key.salt, &state, head.1)));
        }
        // It was touched since; its links lead back.
        let mut last = None;
        for linked in self.chain_before(key, size) {
            last = linked?.link.previous.filter(|(seq, _)| *seq < size);
            if last.is_some() {
                break;
            }
        }
        let state = self.states(key, size).next().transpose()?;
        Ok(last.zip(state).map(|((_, leaf), state)| Row::of(key.made.id, &key.salt, &state, leaf)))
    }
}

#[cfg(test)]
#[path = "table_tree_tests.rs"]
mod tests;
