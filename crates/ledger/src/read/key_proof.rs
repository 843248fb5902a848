//! Proving what a key was: by the table's snapshot, and by the key's records in the log's tree.
//!
//! The snapshot is made off the writer's path, at most once a minute: the live table is walked, and
//! a key that a later record has touched meanwhile is taken back along its links to what it was.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use eventlog::{Record, Seq};
use keys::{KeyId, KeyState, Pseudonym, Refusal, Timestamp};
use signedlog::SignedRoot;
use tlog::Hash;

use crate::caller::{AUDIT, Caller, Grant, READ};
use crate::error::Error;
use crate::keyring::Found;
use crate::ledger::Ledger;
use crate::projection::row::Row;
use crate::projection::table::{ChainedState, Key};
use crate::projection::table_snapshot::{InTable, TableSnapshot};
use crate::read::as_of::Moment;
use crate::read::chain::Linked;
use crate::write::request::RequestOptions;

/// The least time between two snapshots.
const INTERVAL: Duration = Duration::from_secs(60);
/// Keys taken from the table under one hold of its lock.
const SLICE: usize = 4096;
/// The most records of one key that a proof holds.
const MOST_RECORDS: u32 = if cfg!(test) { 50 } else { 2_000 };

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
    /// The table's snapshot; its size is at most the checkpoint's.
    pub table: SignedRoot,
    /// That the log had no more than that at a moment, which is at most a minute ago but for the time
    /// that the next snapshot takes to be made.
    pub heartbeat: SignedRoot,
    /// The number of rows.
    pub rows: u64,
    /// What the snapshot says of the key.
    pub in_table: InTable,
    /// The key's records, oldest first.
    pub records: Vec<Proved>,
    /// The keys of the persons that they speak of.
    pub persons: BTreeMap<Pseudonym, Found>,
}

impl Ledger {
    /// The signed snapshot of the key table, at most a minute old when the log has grown since, but
    /// for the time that the next one takes to be made. Reads the log and takes its time.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts, [`Error::NotSigned`],
    /// [`Error::Overloaded`] while another makes the first one, or a fault of the storage.
    pub fn table_note(&self, caller: &Caller) -> Result<SignedRoot, Error> {
        caller.require_all(AUDIT)?;
        Ok(self.table_snapshot()?.signed.clone())
    }

    /// Proves what `id` was, or that it was not, as of the table's snapshot; and all of its records up
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
        let grant = caller.require(READ)?;
        let key = match self.find(grant, id, &RequestOptions::default()) {
            Ok(key) => Some(key),
            Err(Error::Refused(Refusal::UnknownKey)) if grant == Grant::All => None,
            Err(error) => return Err(error),
        };
        let snapshot = self.table_snapshot()?;
        let head = self.log().head();
        let checkpoint = head.checkpoint()?.clone();
        let mut persons = BTreeMap::new();
        let records = match key {
            Some(key) => self.records_of(&key, moment.length(), &mut persons)?,
            None => Vec::new(),
        };
        let paths = head.audit_paths(records.iter().map(|record| record.seq), None)?;
        let proved = records.into_iter().zip(paths);
        let proved = proved.map(|(Record { seq, bytes }, path)| Proved { seq, entry: bytes, path });
        Ok(KeyProof {
            checkpoint,
            table: snapshot.signed.clone(),
            heartbeat: snapshot.heartbeat.lock().0.clone(),
            rows: snapshot.rows.len() as u64,
            in_table: snapshot.find(&Row::place(id))?,
            records: proved.collect(),
            persons,
        })
    }

    /// The stored records of `key` before place `end`, oldest first.
    fn records_of(
        &self,
        key: &Key,
        end: Seq,
        persons: &mut BTreeMap<Pseudonym, Found>,
    ) -> Result<Vec<Record>, Error> {
        // Counted before they are read.
        let last = self.states(key, end).next().transpose()?;
        if let Some(KeyState { revision, .. }) = last
            && revision > MOST_RECORDS
        {
            return Err(Error::TooManyRecords { records: revision, most: MOST_RECORDS });
        }
        let mut records = Vec::new();
        for linked in self.chain_before(key, end) {
            let Linked { seq, bytes, record, .. } = linked?;
            if seq < end {
                self.name_persons(&record.persons, persons);
                records.push(Record { seq, bytes });
            }
        }
        records.reverse();
        Ok(records)
    }

    /// The table's last snapshot if it is of the log's present size, or a new one.
    pub(crate) fn table_snapshot_of_now(&self) -> Result<Arc<TableSnapshot>, Error> {
        let shared = &self.state().snapshots;
        let Some(_making) = shared.making.try_lock() else { return Err(Error::Overloaded) };
        let (moment, now) = (self.state().clock.now(), self.state().clock.monotonic());
        // After the clock: what came later is not denied.
        let size = self.state().size();
        let last = shared.last.lock().clone();
        if let Some(snapshot) = last.filter(|snapshot| snapshot.signed.size == size.0) {
            *snapshot.heartbeat.lock() = (self.heartbeat_at(size.0, moment)?, now);
            return Ok(snapshot);
        }
        self.make_snapshot(size, (moment, now))
    }

    /// The table's last snapshot, or a new one if it is time and the log has grown. While another
    /// makes that, it is still the last one.
    pub(crate) fn table_snapshot(&self) -> Result<Arc<TableSnapshot>, Error> {
        let shared = &self.state().snapshots;
        let Some(_making) = shared.making.try_lock() else {
            return shared.last.lock().clone().ok_or(Error::Overloaded);
        };
        let (moment, now) = (self.state().clock.now(), self.state().clock.monotonic());
        // After the clock: what came later is not denied.
        let size = self.state().size();
        if let Some(snapshot) = shared.last.lock().as_ref()
            && (snapshot.signed.size == size.0 || now.saturating_sub(snapshot.made_at) < INTERVAL)
        {
            let mut heartbeat = snapshot.heartbeat.lock();
            if snapshot.signed.size == size.0 && now.saturating_sub(heartbeat.1) >= INTERVAL {
                *heartbeat = (self.heartbeat_at(size.0, moment)?, now);
            }
            drop(heartbeat);
            return Ok(Arc::clone(snapshot));
        }
        self.make_snapshot(size, (moment, now))
    }

    /// A snapshot after the first `size` records, which the log had no more than at `moment`.
    fn make_snapshot(
        &self,
        size: Seq,
        (moment, now): (Timestamp, Duration),
    ) -> Result<Arc<TableSnapshot>, Error> {
        let signing = self.log().signing()?;
        let heartbeat = self.heartbeat_at(size.0, moment)?;
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
        let snapshot = TableSnapshot::sign(rows, size, signing, (heartbeat, now));
        let snapshot = snapshot.map_err(Error::fault)?;
        let snapshot = Arc::new(snapshot);
        *self.state().snapshots.last.lock() = Some(Arc::clone(&snapshot));
        Ok(snapshot)
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

#[cfg(test)]
#[path = "key_proof_tests.rs"]
mod tests;
