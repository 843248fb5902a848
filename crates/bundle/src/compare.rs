//! The exports, regenerated from the records and compared byte by byte.

use std::sync::mpsc::Receiver;

use ledger::Entry;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::Exports;
use crate::archive::{ArchiveError, Stored};
use crate::opened::{File, Opened};
use crate::refused::Invalid;

/// A part of one export, regenerated from the records of a batch.
pub(crate) struct Regenerated {
    text: Vec<u8>,
    /// Each record, and the offset where its text ends.
    ends: Vec<(u64, usize)>,
}

/// Buffers of texts that were compared, for reuse.
#[derive(Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    fn take(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_default()
    }

    fn give(&self, mut text: Vec<u8>) {
        text.clear();
        self.0.lock().push(text);
    }
}

/// Regenerates a part of each export from the records of a batch.
pub(crate) fn regenerate(
    exports: &Exports,
    entries: &[Entry],
    buffers: &Buffers,
) -> [Regenerated; 3] {
    let mut texts = [(); 3].map(|()| buffers.take());
    let mut ends = [(); 3].map(|()| Vec::with_capacity(entries.len()));
    for entry in entries {
        (exports.write)(entry, &mut texts);
        for (text, ends) in texts.iter().zip(&mut ends) {
            ends.push((entry.seq.0, text.len()));
        }
    }
    let ([a, b, c], [ends_a, ends_b, ends_c]) = (texts, ends);
    [(a, ends_a), (b, ends_b), (c, ends_c)].map(|(text, ends)| Regenerated { text, ends })
}

/// The comparison of one export.
pub(crate) struct Comparison<'o, S: ?Sized> {
    stored: &'o S,
    file: &'o File,
    name: &'static str,
    head: &'static str,
    /// The offset in the file.
    at: u64,
    hash: Sha256,
    /// The bytes of the file at that offset.
    found: Vec<u8>,
}

impl<'o, S: Stored + ?Sized> Comparison<'o, S> {
    pub(crate) fn new(
        opened: &'o Opened<'_, S>,
        name: &'static str,
        head: &'static str,
    ) -> Result<Comparison<'o, S>, Invalid> {
        let (stored, file) = (opened.stored(), opened.file(name)?);
        Ok(Comparison { stored, file, name, head, at: 0, hash: Sha256::new(), found: Vec::new() })
    }

    /// Compares the parts from `makers`, in turn, and then checks that the file has no more bytes.
    pub(crate) fn run(
        mut self,
        makers: &[Receiver<Regenerated>],
        buffers: &Buffers,
    ) -> Result<(), Invalid> {
        if !self.is_next(self.head.as_bytes())? {
            return Err(Invalid::Malformed(self.name));
        }
        for maker in makers.iter().cycle() {
            let Ok(made) = maker.recv() else { break };
            if !self.is_next(&made.text)? {
                return Err(self.difference(&made));
            }
            buffers.give(made.text);
        }
        if self.at == self.file.placed.length && self.file.has_hash(self.hash) {
            Ok(())
        } else {
            Err(Invalid::ExportLength(self.name))
        }
    }

    /// Whether the file continues with these bytes.
    fn is_next(&mut self, made: &[u8]) -> Result<bool, Invalid> {
        let left = usize::try_from(self.file.placed.length - self.at).unwrap_or(usize::MAX);
        self.found.resize(made.len().min(left), 0);
        let at = self.file.placed.at + self.at;
        self.stored.read_at(&mut self.found, at).map_err(ArchiveError::Read)?;
        self.hash.update(&self.found);
        self.at += self.found.len() as u64;
        Ok(self.found == made)
    }

    /// The first record that differs in the file.
    fn difference(&self, made: &Regenerated) -> Invalid {
        let same = made.text.iter().zip(&self.found).take_while(|(made, found)| made == found);
        let same = same.count();
        match made.ends.iter().find(|(_, end)| *end > same) {
            Some((seq, _)) => Invalid::Export { name: self.name, seq: *seq },
            None => Invalid::ExportLength(self.name),
        }
    }
}
