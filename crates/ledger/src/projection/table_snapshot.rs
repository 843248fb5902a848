//! The key table at one length of the log as one signed hash, and what it says of a key.
//!
//! Of the rows only the roots of their buckets are stored. A bucket's rows are made again when a
//! proof needs them.

use std::sync::Arc;
use std::time::Duration;

use eventlog::Seq;
use parking_lot::{Mutex, RwLock};
use signedlog::{SignedRoot, Signing};
use tlog::note::NoteError;
use tlog::{BucketTree, Frontier, Hash, MemoryTree, Prover, leaf_hash};

use crate::error::Error;
use crate::projection::buckets::{BucketIndex, TouchedBuckets};
use crate::projection::row::Row;

/// The roots of the table's buckets after the first `size` records.
pub(crate) struct TableTree {
    pub(crate) size: Seq,
    pub(crate) buckets: BucketTree,
}

impl TableTree {
    /// That of no records.
    pub(crate) fn of_nothing() -> TableTree {
        TableTree { size: Seq(0), buckets: BucketTree::new() }
    }
}

/// The key table at one length of the log, signed.
pub(crate) struct TableSnapshot {
    pub(crate) signed: SignedRoot,
    pub(crate) tree: Arc<TableTree>,
    /// When it was made, on the monotonic clock.
    pub(crate) made_at: Duration,
    /// That the log had no more at a moment, and when that was signed.
    pub(crate) heartbeat: Mutex<(SignedRoot, Duration)>,
}

/// The last snapshot that was made, and all that the next one is made from.
#[derive(Default)]
pub(crate) struct TableSnapshots {
    pub(crate) last: Mutex<Option<Arc<TableSnapshot>>>,
    /// The last tree. Held while another one is made. Nobody waits for it: that takes its time.
    pub(crate) making: Mutex<Option<Arc<TableTree>>>,
    /// What was touched since the last tree.
    pub(crate) touched: TouchedBuckets,
    /// The keys of each bucket; all of those that the last tree has.
    pub(crate) index: RwLock<BucketIndex>,
}

/// A row and the way from it to the root of its bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProof {
    /// Its place among the rows of the bucket, from 0.
    pub index: u64,
    /// The row.
    pub row: Row,
    /// The audit path, from its sibling up.
    pub path: Vec<Hash>,
}

/// A bucket of the table, and the way from its root to the table's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketProof {
    /// The number of its rows.
    pub rows: u64,
    /// The audit path of its root, from the sibling up: 16 hashes.
    pub path: Vec<Hash>,
}

/// What the table's snapshot says of a key, in the key's bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InTable {
    /// Its row.
    Row(RowProof),
    /// It has none: the rows on either side of where it would be. One is missing at an end of
    /// the bucket, both in an empty one.
    Absent {
        /// The last row before.
        before: Option<RowProof>,
        /// The first row after.
        after: Option<RowProof>,
    },
}

/// The rows of a bucket are not those that the signed root has.
#[derive(Debug, thiserror::Error)]
#[error("the rows of bucket {0} are not those of the table that was signed")]
struct OtherRows(u16);

impl TableSnapshot {
    /// Signs the root of a tree.
    ///
    /// # Errors
    ///
    /// The log's key does not sign the text.
    pub(crate) fn sign(
        tree: Arc<TableTree>,
        signing: &Signing,
        (heartbeat, made_at): (SignedRoot, Duration),
    ) -> Result<TableSnapshot, NoteError> {
        let (size, root) = (tree.size.0, tree.buckets.root());
        let text = format!("{}/table\n{size}\n{root}\n", signing.origin());
        let note = signing.sign(&text)?.into();
        let signed = SignedRoot { note, size, root };
        let heartbeat = Mutex::new((heartbeat, made_at));
        Ok(TableSnapshot { signed, tree, made_at, heartbeat })
    }

    /// What it says of the key at `place`, see [`Row::place`]. `rows` are those of the key's bucket, sorted.
    ///
    /// # Errors
    ///
    /// A fault: the rows are others than those that were signed.
    pub(crate) fn find(
        &self,
        place: &[u8; 32],
        rows: &[Row],
    ) -> Result<(BucketProof, InTable), Error> {
        let (bucket, buckets) = (tlog::bucket_of(place), &self.tree.buckets);
        let tree: MemoryTree = rows.iter().map(|row| leaf_hash(&row.to_bytes())).collect();
        if !buckets.has(bucket, &tree.root()) {
            return Err(Error::fault(OtherRows(bucket)));
        }
        let proof = |index: usize| -> Result<Option<RowProof>, Error> {
            let Some(&row) = rows.get(index) else { return Ok(None) };
            let index = index as u64;
            let path = Prover::new(&tree, tree.size()).inclusion(index);
            Ok(Some(RowProof { index, row, path: path.map_err(Error::fault)? }))
        };
        let found = rows.binary_search_by(|row| row.key.cmp(place));
        let index = found.unwrap_or_else(|index| index);
        let after = proof(index)?;
        let in_table = match (found, after) {
            (Ok(_), Some(row)) => InTable::Row(row),
            (_, after) => {
                let before = index.checked_sub(1).map(proof).transpose()?.flatten();
                InTable::Absent { before, after }
            }
        };
        Ok((BucketProof { rows: tree.size(), path: buckets.path(bucket) }, in_table))
    }
}

/// The root of a bucket with these rows, sorted.
pub(crate) fn bucket_root(rows: &[Row]) -> Hash {
    rows.iter().map(|row| leaf_hash(&row.to_bytes())).collect::<Frontier>().root()
}
