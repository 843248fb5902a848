//! What is held in memory of the journal's entries: what became of tokens. A start reads them all.

use signedlog::Chunk;

use crate::record::access::Access;
use crate::record::codec::{self, Interner};
use crate::record::replay::ReplayError;
use crate::tokens::Tokens;

/// Decodes stored entries; `None` for those of which nothing is held.
pub(super) fn decoder()
-> impl FnMut(&eventlog::Record) -> Result<Option<Access>, ReplayError> + Send {
    let mut interner = Interner::default();
    move |stored| {
        codec::decode_projected(&stored.bytes, &mut interner)
            .map_err(|source| ReplayError::Record { seq: stored.seq, source })
    }
}

/// Applies entries, in order.
pub(super) fn apply(tokens: &Tokens, chunk: Chunk<Option<Access>>) {
    for entry in chunk.into_records().filter_map(|(_, entry)| entry) {
        tokens.apply(&entry);
    }
}
