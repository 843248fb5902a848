//! Equal texts and values of many records, stored once while they are decoded.

use std::sync::Arc;

use hashbrown::HashSet;

use crate::keyring::{Keyring, LastCipher};
use crate::record::pool::Pool;

/// Shares equal texts of decoded records: a million keys have few accounts. Bounded.
#[derive(Default)]
pub(crate) struct Interner {
    pub(super) keyring: Arc<Keyring>,
    pub(super) ciphers: LastCipher,
    texts: HashSet<Arc<str>>,
    pub(super) pool: Pool,
}

impl Interner {
    const MOST: usize = 100_000;

    /// One that opens what is sealed with the keys of `keyring`.
    pub(crate) fn new(keyring: Arc<Keyring>) -> Interner {
        Interner { keyring, ..Interner::default() }
    }

    pub(super) fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.texts.get(text) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = text.into();
        if self.texts.len() < Interner::MOST {
            self.texts.insert(Arc::clone(&shared));
        }
        shared
    }
}
