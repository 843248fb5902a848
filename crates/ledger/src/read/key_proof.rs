//! Proving what a key was: by the table's snapshot, and by the key's records in the log's tree.

use std::collections::BTreeMap;

use eventlog::{Record, Seq};
use keys::{KeyId, KeyState, Pseudonym, Refusal};
use signedlog::SignedRoot;
use tlog::Hash;

use crate::caller::{Caller, Grant, READ};
use crate::error::Error;
use crate::keyring::Found;
use crate::ledger::Ledger;
use crate::projection::table::Key;
use crate::projection::table_snapshot::{BucketProof, InTable};
use crate::read::as_of::Moment;
use crate::read::chain::Linked;
use crate::write::request::RequestOptions;

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
    /// The bucket of the key in it.
    pub bucket: BucketProof,
    /// What the snapshot says of the key.
    pub in_table: InTable,
    /// The key's records, oldest first.
    pub records: Vec<Proved>,
    /// The keys of the persons that they speak of.
    pub persons: BTreeMap<Pseudonym, Found>,
}

impl Ledger {
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
        let (bucket, in_table) = self.find_row(&snapshot, id)?;
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
            bucket,
            in_table,
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
}

#[cfg(test)]
#[path = "key_proof_tests.rs"]
mod tests;
