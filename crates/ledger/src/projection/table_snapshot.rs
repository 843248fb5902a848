//! The key table at one length of the log as one signed hash, with a proof for each row and for
//! each that is absent.

use std::sync::Arc;
use std::time::Duration;

use eventlog::Seq;
use parking_lot::Mutex;
use signedlog::{SignedRoot, Signing};
use tlog::note::NoteError;
use tlog::{Hash, MemoryTree, Prover, leaf_hash};

use crate::error::Error;
use crate::projection::row::Row;

/// The rows of all keys at one length of the log.
pub(crate) struct TableSnapshot {
    pub(crate) signed: SignedRoot,
    pub(crate) rows: Vec<Row>,
    tree: MemoryTree,
    /// When it was made, on the monotonic clock.
    pub(crate) made_at: Duration,
    /// That the log had no more at a moment, and when that was signed.
    pub(crate) heartbeat: Mutex<(SignedRoot, Duration)>,
}

/// The last snapshot that was made.
#[derive(Default)]
pub(crate) struct TableSnapshots {
    pub(crate) last: Mutex<Option<Arc<TableSnapshot>>>,
    /// Held while another one is made. Nobody waits for it: that takes its time.
    pub(crate) making: Mutex<()>,
}

/// A row and the way from it to the table's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProof {
    /// Its place among the rows, from 0.
    pub index: u64,
    /// The row.
    pub row: Row,
    /// The audit path, from its sibling up.
    pub path: Vec<Hash>,
}

/// What the table's snapshot says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InTable {
    /// Its row.
    Row(RowProof),
    /// It has none: the rows on either side of where it would be. One is missing at an end of
    /// the table, both in an empty one.
    Absent {
        /// The last row before.
        before: Option<RowProof>,
        /// The first row after.
        after: Option<RowProof>,
    },
}

impl TableSnapshot {
    /// Signs `rows`, those of all keys after the first `size` records, in any order.
    ///
    /// # Errors
    ///
    /// The log's key does not sign the text.
    pub(crate) fn sign(
        mut rows: Vec<Row>,
        size: Seq,
        signing: &Signing,
        (heartbeat, made_at): (SignedRoot, Duration),
    ) -> Result<TableSnapshot, NoteError> {
        rows.sort_unstable();
        let tree: MemoryTree = rows.iter().map(|row| leaf_hash(&row.to_bytes())).collect();
        let root = tree.root();
        let text = format!("{}/table\n{size}\n{root}\n", signing.origin());
        let note = signing.sign(&text)?.into();
        let signed = SignedRoot { note, size: size.0, root };
        let heartbeat = Mutex::new((heartbeat, made_at));
        Ok(TableSnapshot { signed, rows, tree, made_at, heartbeat })
    }

    /// What it says of the key whose rows are at `place`, see [`Row::place`].
    ///
    /// # Errors
    ///
    /// A fault: a row has no proof.
    pub(crate) fn find(&self, place: &[u8; 32]) -> Result<InTable, Error> {
        match self.rows.binary_search_by(|row| row.key.cmp(place)) {
            Ok(index) => {
                #[expect(clippy::expect_used, reason = "the search found a row there")]
                let row = self.proof(index)?.expect("a row that was found");
                Ok(InTable::Row(row))
            }
            Err(index) => {
                let before = index.checked_sub(1).map(|before| self.proof(before)).transpose()?;
                Ok(InTable::Absent { before: before.flatten(), after: self.proof(index)? })
            }
        }
    }

    /// The row at `index` with its proof; `None` past the last one.
    fn proof(&self, index: usize) -> Result<Option<RowProof>, Error> {
        let Some(&row) = self.rows.get(index) else { return Ok(None) };
        let index = index as u64;
        let path = Prover::new(&self.tree, self.tree.size()).inclusion(index);
        Ok(Some(RowProof { index, row, path: path.map_err(Error::fault)? }))
    }
}
