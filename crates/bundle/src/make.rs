//! Making a bundle in one go; the work itself is in `maker`.

use std::io::Write;

use crate::Exports;
use crate::maker::Maker;
use crate::source::{MakeError, Source, Terms};

/// Makes a bundle, and says how many records are in it. `progress` is called with the number read.
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
