//! The exports before they are written: a tar header has a file's length before the file.

use ledger::Entry;
use sha2::{Digest as _, Sha256};

use crate::Exports;
use crate::manifest::Listed;

/// The lengths and hashes of the exports, computed before they are written.
pub(crate) struct Measured {
    exports: Exports,
    files: [(u64, Sha256); 3],
    texts: [Vec<u8>; 3],
}

impl Measured {
    pub(crate) fn new(exports: &Exports) -> Measured {
        let texts = exports.heads.map(|head| head.as_bytes().to_vec());
        let mut measured = Measured { exports: *exports, files: Default::default(), texts };
        measured.count();
        measured
    }

    pub(crate) fn add(&mut self, entry: &Entry) {
        (self.exports.write)(entry, &mut self.texts);
        self.count();
    }

    fn count(&mut self) {
        for ((length, hash), text) in self.files.iter_mut().zip(&mut self.texts) {
            *length += text.len() as u64;
            hash.update(&*text);
            text.clear();
        }
    }

    pub(crate) fn listed(self) -> Vec<Listed> {
        let files = self.exports.names.into_iter().zip(self.files);
        files.map(|(name, (length, hash))| Listed::new(name, length, hash)).collect()
    }
}
