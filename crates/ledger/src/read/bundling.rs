//! What the ledger gives to whoever makes a bundle for an auditor.

use eventlog::Seq;
use sha2::{Digest as _, Sha256};
use signedlog::{SignedRoot, TreeHead};
use tlog::Hash;

use crate::caller::{AUDIT, Caller};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::page::{Page, Walk};
use crate::read::trail::EventFilter;
use crate::record::Entry;

/// The text that is signed for a bundle's manifest: a checkpoint's form, under a name that no log
/// has.
#[must_use]
pub fn manifest_text(origin: &str, manifest: &[u8]) -> String {
    let hash = Hash(Sha256::digest(manifest).into());
    format!("{origin}/bundle\n{}\n{hash}\n", manifest.len())
}

impl Ledger {
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
