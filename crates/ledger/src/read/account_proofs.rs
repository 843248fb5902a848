//! Proving to an account what happened to its keys, and how they stand: page by page, for one who
//! follows them without trusting the log's operator.

use std::collections::BTreeMap;

use eventlog::Seq;
use keys::{Account, Event, EventKind, KeyId, Pseudonym};
use signedlog::SignedRoot;

use crate::caller::Caller;
use crate::error::Error;
use crate::keyring::Found;
use crate::ledger::Ledger;
use crate::page::{Page, Walk};
use crate::projection::table_snapshot::{BucketProof, InTable, RowProof};
use crate::read::bundling::account_text;
use crate::read::key_filter::KeyFilter;
use crate::read::key_proof::Proved;
use crate::read::trail::EventFilter;

/// Records of an account's keys, proved in the tree of one size.
#[derive(Clone, Debug)]
pub struct ProvedEvents {
    /// The size of the tree.
    pub size: u64,
    /// The records, oldest first; none of the account's that lies between two of them is left out.
    pub page: Page<Proved, Seq>,
    /// The keys of the persons that they speak of.
    pub persons: BTreeMap<Pseudonym, Found>,
    /// On the last page, the signed note that says how many keys the account has in this tree; see
    /// [`account_text`].
    pub account: Option<String>,
}

/// Rows of an account's keys in the table's snapshot.
#[derive(Clone, Debug)]
pub struct ProvedRows {
    /// The table's snapshot.
    pub table: SignedRoot,
    /// That the log had no more than that at a moment.
    pub heartbeat: SignedRoot,
    /// The rows in the order in which the keys were made; a key that is younger than the snapshot has none.
    pub page: Page<(KeyId, RowProof, BucketProof), u64>,
}

impl Ledger {
    /// Proves a page of what happened to the keys of `account`, by default the caller's own, in the
    /// tree of the first `size` records, by default the published one, from place `from` on. Reads
    /// the log; a bounded part of it, so that a page can be short, even empty, and not the last.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for one who does not see the whole account, [`Error::AccountRequired`],
    /// [`Error::BeyondTheLog`], [`Error::NotSigned`], [`Error::Overloaded`] if the newest of these records are not applied
    /// yet, or a fault of the storage.
    pub fn prove_events(
        &self,
        caller: &Caller,
        account: Option<&Account>,
        from: Seq,
        size: Option<u64>,
        limit: usize,
    ) -> Result<ProvedEvents, Error> {
        let account = caller.whole_account(account)?;
        let head = self.log().head();
        let size = size.unwrap_or(head.size());
        // What is published but not applied is not found, and would seem not to be there.
        if size <= head.size() && self.state().size().0 < size {
            return Err(Error::Overloaded);
        }
        let filter = EventFilter { account: Some(account.clone()), ..EventFilter::default() };
        let found = self.events(caller, &filter, Walk::Up(from), limit)?;
        let is_over = found.items.last().is_some_and(|entry| entry.seq.0 >= size);
        let within = found.items.iter().filter(|entry| entry.seq.0 < size);
        let paths = head.audit_paths(within.clone().map(|entry| entry.seq), Some(size))?;
        let (mut items, mut persons) = (Vec::with_capacity(paths.len()), BTreeMap::new());
        for (entry, path) in within.zip(paths) {
            let read = self.log().stored().read(entry.seq, 1).map_err(Error::fault)?;
            let stored = read.into_iter().next();
            let stored = stored.ok_or(Error::BeyondTheLog { length: entry.seq })?;
            self.name_persons(&entry.record.persons, &mut persons);
            items.push(Proved { seq: entry.seq, entry: stored.bytes, path });
        }
        let next = found.next.and_then(|next| match next {
            Walk::Up(next) if !is_over && next.0 < size => Some(next),
            Walk::Up(_) | Walk::Down(_) => None,
        });
        let account =
            if next.is_none() { Some(self.signed_keys(caller, account, size)?) } else { None };
        Ok(ProvedEvents { size, page: Page { items, next }, persons, account })
    }

    /// Signs how many keys `account` has in the tree of the first `size` records.
    fn signed_keys(&self, caller: &Caller, account: &Account, size: u64) -> Result<String, Error> {
        let (account_named, kind) = (Some(account.clone()), Some(EventKind::Created));
        let filter = EventFilter { account: account_named, kind, ..EventFilter::default() };
        let (mut walk, mut keys) = (Some(Walk::Down(Seq(size))), 0);
        // Keys are numbered as they are made: that of the last one is how many there are.
        while let (Some(from), 0) = (walk, keys) {
            let page = self.events(caller, &filter, from, 1)?;
            if let Some(Event::Created(made)) = page.items.first().map(|entry| &entry.record.event)
            {
                keys = made.number;
            }
            walk = page.next;
        }
        let signing = self.log().signing()?;
        let text = account_text(signing.origin(), size, keys, account);
        signing.sign(&text).map_err(Error::fault)
    }

    /// Proves a page of how the keys of `account`, by default the caller's own, stand in the table's
    /// snapshot, from the place `after` on (0 is the start).
    ///
    /// # Errors
    ///
    /// As [`Ledger::prove_events`] and [`Ledger::table_note`], but for any reader of the whole account.
    pub fn prove_rows(
        &self,
        caller: &Caller,
        account: Option<&Account>,
        after: u64,
        limit: usize,
    ) -> Result<ProvedRows, Error> {
        let account = caller.whole_account(account)?;
        let snapshot = self.table_snapshot()?;
        let filter = KeyFilter { account: Some(account.clone()), ..KeyFilter::default() };
        let keys = self.keys(caller, &filter, after, limit)?;
        let mut items = Vec::with_capacity(keys.items.len());
        for id in keys.items.iter().map(|view| view.key.id) {
            self.still_wanted()?;
            if let (bucket, InTable::Row(row)) = self.find_row(&snapshot, id)? {
                items.push((id, row, bucket));
            }
        }
        Ok(ProvedRows {
            table: snapshot.signed.clone(),
            heartbeat: snapshot.heartbeat.lock().0.clone(),
            page: Page { items, next: keys.next },
        })
    }
}
