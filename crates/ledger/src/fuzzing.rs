//! The private parsers, for the fuzz targets. No part of the crate's interface.

use std::sync::Arc;

use crate::keyring::{self, Found, Keyring, PersonKey};
use crate::record::codec::{self, Interner};

/// The encoding of the record that `bytes` are; `None` if they are none.
#[must_use]
pub fn record(bytes: &[u8]) -> Option<Vec<u8>> {
    let keyring = Arc::new(persons());
    let record = codec::decode(bytes, &mut Interner::new(Arc::clone(&keyring))).ok()?;
    codec::encode(&record, &keyring).ok()
}

/// The encoding of the journal's entry that `bytes` are; `None` if they are none.
#[must_use]
pub fn access(bytes: &[u8]) -> Option<Vec<u8>> {
    let keyring = Arc::new(persons());
    let access = codec::decode_access(bytes, &mut Interner::new(Arc::clone(&keyring))).ok()?;
    codec::encode_access(&access, &keyring).ok()
}

/// The file with the keys that `bytes`, a keyring's file, have; `None` if they are none.
#[must_use]
pub fn keyring(bytes: &[u8]) -> Option<Vec<u8>> {
    keyring::written_again(bytes)
}

/// The persons of the corpus: their keys are known to everybody.
#[must_use]
pub fn persons() -> Keyring {
    Keyring::of((1..=4).map(|byte| {
        let key = PersonKey::from_bytes([byte; 32]);
        (key.pseudonym(), Found::Key(key))
    }))
}
