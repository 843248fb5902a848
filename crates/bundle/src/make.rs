//! Producing a whole bundle with a [`Maker`].

use std::io::Write;

use crate::Exports;
use crate::maker::Maker;
use crate::source::{MakeError, Source, Terms};

/// Writes a bundle and returns the number of records in it. `progress` is called with the number
/// read.
///
/// # Errors
///
/// [`MakeError`].
pub fn make<W: Write>(
    source: &dyn Source,
    terms: Terms,
    exports: &Exports,
    mut out: W,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, MakeError> {
    let mut maker = Maker::new(terms, exports);
    while let Some(piece) = maker.piece(source)? {
        out.write_all(&piece)?;
        progress(maker.records());
    }
    out.flush()?;
    Ok(maker.records())
}
