//! The private parsers, for the fuzz targets. No part of the crate's interface.

use crate::record::codec::{self, Interner};

/// The encoding of the record that `bytes` are; `None` if they are none.
#[must_use]
pub fn record(bytes: &[u8]) -> Option<Vec<u8>> {
    codec::decode(bytes, &mut Interner::default()).ok().map(|record| codec::encode(&record))
}

/// The encoding of the journal's entry that `bytes` are; `None` if they are none.
#[must_use]
pub fn access(bytes: &[u8]) -> Option<Vec<u8>> {
    let access = codec::decode_access(bytes, &mut Interner::default()).ok()?;
    Some(codec::encode_access(&access))
}
