//! What the ledger gives to whoever makes a bundle for an auditor.

use std::sync::Arc;

use eventlog::Seq;
use keys::{Account, KeyId};
use sha2::{Digest as _, Sha256};
use signedlog::{SignedRoot, TreeHead};
use tlog::Hash;

use crate::caller::{AUDIT, Caller};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::{Page, Walk};
use crate::projection::table_snapshot::{BucketProof, InTable, RowProof, TableSnapshot};
use crate::read::trail::EventFilter;
use crate::record::Entry;

/// The text that is signed for a bundle's manifest: a checkpoint's form, under a name that no log
/// has.
#[must_use]
pub fn manifest_text(origin: &str, manifest: &[u8]) -> String {
    let hash = Hash(Sha256::digest(manifest).into());
    format!("{origin}/bundle\n{}\n{hash}\n", manifest.len())
}

/// The text in which a log says how many keys an account has after its first `size` records. The name is
/// not the origin's, so it is no checkpoint.
#[must_use]
pub fn account_text(origin: &str, size: u64, keys: u64, account: &Account) -> String {
    format!("{origin}/account\n{size}\n{keys}\n{account}\n")
}

/// The key table at one size of the log.
#[derive(Clone)]
pub struct TableRows(Arc<TableSnapshot>);

impl TableRows {
    /// The signed table note.
    #[must_use]
    pub fn note(&self) -> &SignedRoot {
        &self.0.signed
    }

    /// That the log had no more than that at a moment.
    #[must_use]
    pub fn heartbeat(&self) -> SignedRoot {
        self.0.heartbeat.lock().0.clone()
    }
}

impl Ledger {
    /// The key table as it is now, with its note. Reads the log and takes its time.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts, [`Error::NotSigned`],
    /// [`Error::Overloaded`] while another is made, or a fault of the storage.
    pub fn table_rows(&self, caller: &Caller) -> Result<TableRows, Error> {
        caller.require_all(AUDIT)?;
        self.table_snapshot_of_now().map(TableRows)
    }

    /// The row of `key` in that table, with the bucket that it is in; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts, or a fault of the storage.
    pub fn row_in(
        &self,
        caller: &Caller,
        table: &TableRows,
        key: KeyId,
    ) -> Result<Option<(RowProof, BucketProof)>, Error> {
        caller.require_all(AUDIT)?;
        Ok(match self.find_row(&table.0, key)? {
            (bucket, InTable::Row(row)) => Some((row, bucket)),
            (_, InTable::Absent { .. }) => None,
        })
    }

    /// Signs how many keys an account has; see [`account_text`].
    ///
    /// # Errors
    ///
    /// [`Error::NotSigned`], [`Error::Forbidden`].
    pub fn sign_account(
        &self,
        caller: &Caller,
        (account, keys): (&Account, u64),
        size: u64,
    ) -> Result<String, Error> {
        caller.require_all(AUDIT)?;
        let signing = self.log().signing()?;
        let text = account_text(signing.origin(), size, keys, account);
        signing.sign(&text).map_err(Error::fault)
    }

    /// The checkpoint of the tree at a size that was published before: the note that was signed
    /// then, if one was.
    ///
    /// # Errors
    ///
    /// [`Error::BeyondTheLog`], [`Error::NotSigned`], [`Error::Forbidden`], or a fault of the
    /// storage.
    pub fn checkpoint_at(&self, caller: &Caller, size: u64) -> Result<SignedRoot, Error> {
        caller.require_role(AUDIT)?;
        let root = self.log().head().root_at(size)?;
        Ok(self.log().signing()?.checkpoint(TreeHead { size, root }))
    }

    /// Signs the manifest of a bundle; see [`manifest_text`].
    ///
    /// # Errors
    ///
    /// [`Error::NotSigned`], [`Error::Forbidden`].
    pub fn sign_manifest(&self, caller: &Caller, manifest: &[u8]) -> Result<String, Error> {
        caller.require_role(AUDIT)?;
        let signing = self.log().signing()?;
        signing.sign(&manifest_text(signing.origin(), manifest)).map_err(Error::fault)
    }

    /// Events with the bytes that are stored of them; otherwise as [`Ledger::events`].
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], or a fault of the storage.
    pub fn stored_events(
        &self,
        caller: &Caller,
        filter: &EventFilter,
        from: Seq,
        limit: usize,
    ) -> Result<Page<(Entry, Vec<u8>), Seq>, Error> {
        caller.require_role(AUDIT)?;
        let page = self.events(caller, filter, Walk::Up(from), limit)?;
        let mut items = Vec::with_capacity(page.items.len());
        for entry in page.items {
            let read = self.log().stored().read(entry.seq, 1).map_err(Error::fault)?;
            let stored = read.into_iter().next();
            let stored = stored.ok_or(Error::BeyondTheLog { length: entry.seq })?;
            items.push((entry, stored.bytes.to_vec()));
        }
        let next = page.next.and_then(|next| match next {
            Walk::Up(next) => Some(next),
            Walk::Down(_) => None,
        });
        Ok(Page { items, next })
    }
}
