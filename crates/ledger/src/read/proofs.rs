//! What the log proves: checkpoint, tiles, entries, receipts. Nothing here waits for the writer.

use std::collections::BTreeMap;

use eventlog::Seq;
use keys::Pseudonym;
use signedlog::{
    CloseError, Consistency, Inclusion, KeyChain, ProofError, Receipt, SignedRoot, Vouched,
};
use tlog::{Hash, TileIndex};

use crate::caller::{AUDIT, Caller, READ, SHOWN};
use crate::error::Error;
use crate::keyring::Found;
use crate::ledger::Ledger;
use crate::record::{Entry, Persons, codec};

impl Ledger {
    /// The last checkpoint. Everything in it is on stable storage.
    ///
    /// # Errors
    ///
    /// [`Error::NotSigned`].
    pub fn checkpoint(&self) -> Result<SignedRoot, Error> {
        Ok(self.log().head().checkpoint()?.clone())
    }

    /// The keys that sign the log, and how each named the next.
    ///
    /// # Errors
    ///
    /// [`Error::NotSigned`].
    pub fn signing_keys(&self) -> Result<&KeyChain, Error> {
        Ok(self.log().key_chain()?)
    }

    /// The note in which the log's key vouches for another one.
    ///
    /// # Errors
    ///
    /// [`Error::NotSigned`]; a fault if a part of it is not one line.
    pub fn vouch(&self, other: &Vouched) -> Result<String, Error> {
        other.sign(self.log().signing()?).map_err(Error::fault)
    }

    /// The bytes of a tile of hashes; `None` if the published tree does not have all of them.
    ///
    /// # Errors
    ///
    /// A fault of the storage.
    pub fn tile(&self, index: TileIndex) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.log().head().tile(index)?)
    }

    /// A bundle of entries (c2sp.org/tlog-tiles); `None` if the published tree does not have all
    /// of them. Reads the log.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] but for auditors and admins of all accounts, or a fault of the storage.
    pub fn entries(&self, caller: &Caller, index: TileIndex) -> Result<Option<Vec<u8>>, Error> {
        caller.require_all(AUDIT)?;
        Ok(self.log().head().entries(index)?)
    }

    /// The keys of the persons that the records of such a bundle speak of; `None` as there.
    ///
    /// # Errors
    ///
    /// As [`Ledger::entries`].
    pub fn persons(
        &self,
        caller: &Caller,
        index: TileIndex,
    ) -> Result<Option<BTreeMap<Pseudonym, Found>>, Error> {
        let Some(bundle) = self.entries(caller, index)? else { return Ok(None) };
        let mut interner = self.state().interner();
        let mut persons = BTreeMap::new();
        for bytes in tlog::entries::decode(&bundle).map_err(Error::fault)? {
            let record = codec::decode(bytes, &mut interner).map_err(Error::fault)?;
            self.name_persons(&record.persons, &mut persons);
        }
        Ok(Some(persons))
    }

    /// Adds the keys of the persons that a record speaks of.
    pub(crate) fn name_persons(&self, named: &Persons, persons: &mut BTreeMap<Pseudonym, Found>) {
        for name in named.iter() {
            persons.extend(self.state().keyring.find(&name).map(|found| (name, found)));
        }
    }

    /// Proves that record `seq` is in the tree of `size` records, by default the published one.
    ///
    /// # Errors
    ///
    /// [`Error::BeyondTheLog`] if it is not, [`Error::Forbidden`], or a fault of the storage.
    pub fn inclusion(
        &self,
        caller: &Caller,
        seq: Seq,
        size: Option<u64>,
    ) -> Result<Inclusion, Error> {
        caller.require_role(READ)?;
        Ok(self.log().head().inclusion(seq, size)?)
    }

    /// Proves that the tree of `new` records, by default the published one, extends that of `old`.
    ///
    /// # Errors
    ///
    /// [`Error::BeyondTheLog`] if there are fewer, [`Error::Forbidden`], or a fault of the storage.
    pub fn consistency(
        &self,
        caller: &Caller,
        old: u64,
        new: Option<u64>,
    ) -> Result<Consistency, Error> {
        caller.require_role(READ)?;
        Ok(self.log().head().consistency(old, new)?)
    }

    /// The proof that the tree of `new` records extends that of `old`, which anybody can make of the
    /// tiles.
    ///
    /// # Errors
    ///
    /// [`Error::BeyondTheLog`] if there are fewer, or a fault of the storage.
    pub fn growth(&self, old: u64, new: u64) -> Result<Vec<Hash>, Error> {
        Ok(self.log().head().consistency(old, Some(new))?.path)
    }

    /// The root of the tree of the first `size` records, which is as public.
    ///
    /// # Errors
    ///
    /// As [`Ledger::growth`].
    pub fn root_at(&self, size: u64) -> Result<Hash, Error> {
        Ok(self.log().head().root_at(size)?)
    }

    /// The receipt of an event that the caller was shown: a proof file (c2sp.org/tlog-proof) with
    /// the last checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::NotSigned`], or a fault of the storage.
    pub fn receipt(&self, caller: &Caller, entry: &Entry) -> Result<Receipt, Error> {
        caller.require_role(SHOWN)?;
        Ok(self.log().head().receipt(entry.seq)?)
    }
}

impl From<CloseError> for Error {
    fn from(error: CloseError) -> Error {
        match error {
            CloseError::Stalled => Error::Broken,
            error @ (CloseError::Storage(_) | CloseError::Task(_)) => Error::fault(error),
        }
    }
}

impl From<ProofError> for Error {
    fn from(error: ProofError) -> Error {
        match error {
            ProofError::BeyondTheLog { length } => Error::BeyondTheLog { length },
            ProofError::NotSigned => Error::NotSigned,
            error @ (ProofError::Missing(_) | ProofError::Read(_) | ProofError::Bundle(_)) => {
                Error::fault(error)
            }
        }
    }
}
