//! The private parsers, for the fuzz targets. No part of the crate's interface.

use crate::archive::{Writer, members};

/// The archive written anew from the members found in `bytes`; `None` if they are no archive.
#[must_use]
pub fn archive(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut writer = Writer::new();
    for member in members(bytes).ok()? {
        let from = usize::try_from(member.at).ok()?;
        let to = from.checked_add(usize::try_from(member.length).ok()?)?;
        writer.begin(&member.name, member.length).ok()?;
        writer.write(bytes.get(from..to)?).ok()?;
    }
    writer.finish().ok()?;
    Some(writer.take())
}
