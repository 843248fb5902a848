//! The key table as one signed hash, and what it proves of a single key.
//!
//! Made off the writer's path, at most once a minute: the live table is walked, and a key that a
//! later record has touched meanwhile is taken back along its links to what it was.

use std::sync::Arc;
use std::time::Duration;

use eventlog::{Record, Seq};
use keys::{KeyId, KeyState, Refusal};
use parking_lot::Mutex;
use signedlog::SignedRoot;
use tlog::{Hash, MemoryTree, Prover, leaf_hash};

use crate::caller::{AUDIT, Caller, READ, Scope};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::projection::row::Row;
use crate::projection::table::{ChainedState, Key};
use crate::read::as_of::Moment;
use crate::read::chain::Linked;
use crate::write::request::RequestOptions;

/// The least time between two notes.
const INTERVAL: Duration = Duration::from_secs(60);
/// Keys taken from the table under one hold of its lock.
const SLICE: usize = 4096;
/// The most records of one key that a proof holds.
const MOST_RECORDS: u32 = if cfg!(test) { 50 } else { 2_000 };

/// The rows of all keys at one length of the log.
struct Noted {
    signed: SignedRoot,
    rows: Vec<Row>,
    tree: MemoryTree,
    made_at: Duration,
}

/// The last note that was made.
#[derive(Default)]
pub(crate) struct Notes {
    last: Mutex<Option<Arc<Noted>>>,
    /// Held while another one is made. Nobody waits for it: that takes its time.
    making: Mutex<()>,
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

/// What the table's note says of a key.
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

/// A record of a key, and the way from it to the checkpoint's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// Its place.
    pub seq: Seq,
    /// Its bytes.
    pub entry: bytes::Bytes,
    /// The audit path, from its sibling up.
    pub path: Vec<Hash>,
}

/// A proof of a key's state, of its whole history, or that there is no such key.
#[derive(Clone, Debug)]
pub struct KeyProof {
    /// The last checkpoint: the records are proved in its tree.
    pub checkpoint: SignedRoot,
    /// The table's note; its size is at most the checkpoint's.
    pub table: SignedRoot,
    /// The number of rows.
    pub rows: u64,
    /// What the note says.
    pub in_table: InTable,
    /// The key's records, oldest first.
    pub records: Vec<Proved>,
}

impl Ledger {
    /// The signed note of the key table, at most a minute old when the log has grown since, but
    /// for the time that the next one takes to be made. Reads the log and takes its time.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts, [`Error::NotSigned`],
    /// [`Error::Overloaded`] while another makes the first one, or a fault of the storage.
    pub fn table_note(&self, caller: &Caller) -> Result<SignedRoot, Error> {
        caller.require_all(AUDIT)?;
        Ok(self.noted()?.signed.clone())
    }

    /// Proves what `id` was, or that it was not, as of the table's note; and all of its records up
    /// to `moment`. Reads the log.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownKey`] for a caller of one account: that there is no such key is proved to
    /// auditors of all accounts only, because for another account's key the proof would be
    /// missing. [`Error::TooManyRecords`] for a key of more than 2,000 up to then, [`Error::NotSigned`], or
    /// a fault of the storage.
    pub fn prove_key(
        &self,
        caller: &Caller,
        id: KeyId,
        moment: &Moment,
    ) -> Result<KeyProof, Error> {
        caller.require(READ)?;
        let key = match self.find(caller, id, &RequestOptions::default()) {
            Ok(key) => Some(key),
            Err(Error::Refused(Refusal::UnknownKey)) if caller.identity.scope == Scope::All => None,
            Err(error) => return Err(error),
        };
        let noted = self.noted()?;
        let head = self.log().head();
        let checkpoint = head.checkpoint()?.clone();
        let records = key.map_or(Ok(Vec::new()), |key| self.records_of(&key, moment.length()))?;
        let paths = head.audit_paths(records.iter().map(|record| record.seq))?;
        let proved = records.into_iter().zip(paths);
        let proved = proved.map(|(Record { seq, bytes }, path)| Proved { seq, entry: bytes, path });
        Ok(KeyProof {
            checkpoint,
            table: noted.signed.clone(),
            rows: noted.rows.len() as u64,
            in_table: noted.find(&Row::place(id))?,
            records: proved.collect(),
        })
    }

    /// The stored records of `key` before place `end`, oldest first.
    fn records_of(&self, key: &Key, end: Seq) -> Result<Vec<Record>, Error> {
        // Counted before they are read.
        let last = self.states(key, end).next().transpose()?;
        if let Some(KeyState { revision, .. }) = last
            && revision > MOST_RECORDS
        {
            return Err(Error::TooManyRecords { records: revision, most: MOST_RECORDS });
        }
        let mut records = Vec::new();
        for linked in self.chain_before(key, end) {
            let Linked { seq, bytes, .. } = linked?;
            if seq < end {
                records.push(Record { seq, bytes });
            }
        }
        records.reverse();
        Ok(records)
    }

    /// The table's last note, or a new one if it is time and the log has grown. While another
    /// makes that, it is still the last one.
    fn noted(&self) -> Result<Arc<Noted>, Error> {
        let signing = self.log().signing()?;
        let shared = &self.state().notes;
        let Some(_making) = shared.making.try_lock() else {
            return shared.last.lock().clone().ok_or(Error::Overloaded);
        };
        let now = self.state().clock.monotonic();
        let size = self.state().size();
        if let Some(noted) = shared.last.lock().as_ref()
            && (noted.signed.size == size.0 || now.saturating_sub(noted.made_at) < INTERVAL)
        {
            return Ok(Arc::clone(noted));
        }
        let mut rows = Vec::new();
        let mut place = 0;
        loop {
            self.still_wanted()?;
            let keys = self.state().table.slice(place, SLICE);
            for key in &keys {
                rows.extend(self.row(key, size)?);
            }
            place += keys.len();
            if keys.len() < SLICE {
                break;
            }
        }
        rows.sort_unstable();
        let tree: MemoryTree = rows.iter().map(|row| leaf_hash(&row.to_bytes())).collect();
        let root = tree.root();
        let text = format!("{}/table\n{size}\n{root}\n", signing.origin());
        let note = signing.sign(&text).map_err(Error::fault)?.into();
        let signed = SignedRoot { note, size: size.0, root };
        let noted = Arc::new(Noted { signed, rows, tree, made_at: now });
        *shared.last.lock() = Some(Arc::clone(&noted));
        Ok(noted)
    }

    /// The row that `key` had after the first `size` records; `None` if it was made later.
    fn row(&self, key: &Key, size: Seq) -> Result<Option<Row>, Error> {
        let ChainedState { state, head } = key.chained_state();
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

impl Noted {
    fn find(&self, place: &[u8; 32]) -> Result<InTable, Error> {
        let found = self.rows.binary_search_by(|row| row.key.cmp(place));
        Ok(match found {
            Ok(index) => InTable::Row(self.proof(index)?),
            Err(index) => InTable::Absent {
                before: index.checked_sub(1).map(|before| self.proof(before)).transpose()?,
                after: (index < self.rows.len()).then(|| self.proof(index)).transpose()?,
            },
        })
    }

    fn proof(&self, index: usize) -> Result<RowProof, Error> {
        let row = *self.rows.get(index).ok_or_else(|| Error::fault(NoRow))?;
        let place = index as u64;
        let path = Prover::new(&self.tree, self.tree.size()).inclusion(place);
        Ok(RowProof { index: place, row, path: path.map_err(Error::fault)? })
    }
}

/// A row was looked for that the table does not have: a fault of this module.
#[derive(Debug, thiserror::Error)]
#[error("the table has no such row")]
struct NoRow;

#[cfg(test)]
#[path = "table_snapshot_tests.rs"]
mod tests;
