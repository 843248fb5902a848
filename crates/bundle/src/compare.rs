//! The exports, made again from the records and compared byte for byte.

use std::sync::mpsc::Receiver;

use ledger::Entry;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::Exports;
use crate::archive::{ArchiveError, Stored};
use crate::opened::{File, Opened};
use crate::refused::Invalid;

/// What the records of a batch make of one export.
pub(crate) struct Made {
    text: Vec<u8>,
    /// Each record, and where in the text it ends.
    ends: Vec<(u64, usize)>,
}

/// Texts that were compared: their memory serves the next ones, and is not asked for again.
#[derive(Default)]
pub(crate) struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    fn take(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_default()
    }

    fn give(&self, mut text: Vec<u8>) {
        text.clear();
        self.0.lock().push(text);
    }
}

/// What the records of a batch make of each export.
pub(crate) fn make(exports: &Exports, entries: &[Entry], spare: &Spare) -> [Made; 3] {
    let mut texts = [(); 3].map(|()| spare.take());
    let mut ends = [(); 3].map(|()| Vec::with_capacity(entries.len()));
    for entry in entries {
        (exports.write)(entry, &mut texts);
        for (text, ends) in texts.iter().zip(&mut ends) {
            ends.push((entry.seq.0, text.len()));
        }
    }
    let ([a, b, c], [ends_a, ends_b, ends_c]) = (texts, ends);
    [(a, ends_a), (b, ends_b), (c, ends_c)].map(|(text, ends)| Made { text, ends })
}

/// One export under comparison.
pub(crate) struct Comparison<'o, S: ?Sized> {
    stored: &'o S,
    file: &'o File,
    name: &'static str,
    head: &'static str,
    /// How far into the file it is.
    at: u64,
    hash: Sha256,
    /// What is in the file there.
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

    /// Compares everything that comes, from one after the other of `makers`, and then that there
    /// is no more.
    pub(crate) fn run(mut self, makers: &[Receiver<Made>], spare: &Spare) -> Result<(), Invalid> {
        if !self.is_next(self.head.as_bytes())? {
            return Err(Invalid::Malformed(self.name));
        }
        for maker in makers.iter().cycle() {
            let Ok(made) = maker.recv() else { break };
            if !self.is_next(&made.text)? {
                return Err(self.difference(&made));
            }
            spare.give(made.text);
        }
        if self.at == self.file.placed.length && self.file.has_hash(self.hash) {
            Ok(())
        } else {
            Err(Invalid::ExportLength(self.name))
        }
    }

    /// Whether these bytes come next in the file.
    fn is_next(&mut self, made: &[u8]) -> Result<bool, Invalid> {
        let left = usize::try_from(self.file.placed.length - self.at).unwrap_or(usize::MAX);
        self.found.resize(made.len().min(left), 0);
        let at = self.file.placed.at + self.at;
        self.stored.read_at(&mut self.found, at).map_err(ArchiveError::Read)?;
        self.hash.update(&self.found);
        self.at += self.found.len() as u64;
        Ok(self.found == made)
    }

    /// The first record that the file shows otherwise.
    fn difference(&self, made: &Made) -> Invalid {
        let same = made.text.iter().zip(&self.found).take_while(|(made, found)| made == found);
        let same = same.count();
        match made.ends.iter().find(|(_, end)| *end > same) {
            Some((seq, _)) => Invalid::Export { name: self.name, seq: *seq },
            None => Invalid::ExportLength(self.name),
        }
    }
}
