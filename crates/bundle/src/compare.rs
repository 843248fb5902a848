//! An export, made again from the records and compared byte for byte.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use ledger::Entry;
use sha2::{Digest as _, Sha256};

use crate::Export;
use crate::archive::{ArchiveError, Stored};
use crate::opened::{File, Opened};
use crate::refused::Invalid;

/// One export under comparison.
pub(crate) struct Comparison<'o, S: ?Sized> {
    stored: &'o S,
    file: &'o File,
    export: Export,
    /// How far into the file it is.
    at: u64,
    hash: Sha256,
    /// What is in the file there.
    found: Vec<u8>,
}

impl<'o, S: Stored + ?Sized> Comparison<'o, S> {
    pub(crate) fn new(
        opened: &'o Opened<'_, S>,
        export: &Export,
    ) -> Result<Comparison<'o, S>, Invalid> {
        let file = opened.file(export.name)?;
        let stored = opened.stored();
        Ok(Comparison { stored, file, export: *export, at: 0, hash: Sha256::new(), found: vec![] })
    }

    /// Compares everything that comes, and then that there is no more.
    pub(crate) fn run(mut self, entries: &Receiver<Arc<Vec<Entry>>>) -> Result<(), Invalid> {
        let export = self.export;
        if !self.is_next(export.head.as_bytes())? {
            return Err(Invalid::Malformed(export.name));
        }
        let mut made = Vec::new();
        while let Ok(entries) = entries.recv() {
            made.clear();
            entries.iter().for_each(|entry| (export.write)(entry, &mut made));
            let before = self.at;
            if !self.is_next(&made)? {
                return Err(self.difference(&entries, before)?);
            }
        }
        if self.at == self.file.placed.length && self.file.has_hash(self.hash) {
            Ok(())
        } else {
            Err(Invalid::ExportLength(export.name))
        }
    }

    /// Whether these bytes come next in the file.
    fn is_next(&mut self, made: &[u8]) -> Result<bool, Invalid> {
        let length = u64::try_from(made.len()).unwrap_or(u64::MAX);
        if length > self.file.placed.length - self.at {
            return Ok(false);
        }
        self.found.resize(made.len(), 0);
        let at = self.file.placed.at + self.at;
        self.stored.read_at(&mut self.found, at).map_err(ArchiveError::Read)?;
        self.hash.update(&self.found);
        self.at += length;
        Ok(self.found == made)
    }

    /// The first record that the file shows otherwise.
    fn difference(&mut self, entries: &[Entry], from: u64) -> Result<Invalid, Invalid> {
        self.at = from;
        for entry in entries {
            let mut made = Vec::new();
            (self.export.write)(entry, &mut made);
            if !self.is_next(&made)? {
                return Ok(Invalid::Export { name: self.export.name, seq: entry.seq.0 });
            }
        }
        Ok(Invalid::ExportLength(self.export.name))
    }
}
