//! The stored encoding: the only place that knows bincode.
//!
//! A record is a version byte and then one frozen type in bincode's standard configuration. The
//! layout is described in `schemas/record.md` and pinned by golden bytes. Decoding checks that
//! every byte was used and that encoding again gives the same bytes, because bincode alone accepts
//! trailing bytes and integers that are longer than they need to be. What is sealed is held against what
//! was opened; what cannot be opened any more is taken as it is. A start encodes nothing again: the tiles
//! vouch for its bytes. A new version is a new type
//! and one function that turns the old one into the new.

mod access_v1;
mod bytes;
mod edit;
mod error;
mod interner;
mod key;
mod links;
mod rules;
mod sealed;
mod twin;
mod v1;
mod values;
mod via;

use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use keys::Timestamp;

use self::bytes::{config, write};
pub use self::error::DecodeError;
pub(crate) use self::interner::Interner;
use crate::keyring::Keyring;
use crate::record::Record;
use crate::record::access::Access;

/// The version that is written.
const VERSION: u8 = 1;
/// The version of the journal's entries that is written.
const ACCESS_VERSION: u8 = 1;

/// The bytes to store. What says who somebody is is sealed under the keys that `record.persons` name.
///
/// # Errors
///
/// [`DecodeError::NoKey`], for a person whose key `keyring` never had.
pub(crate) fn encode(record: &Record, keyring: &Keyring) -> Result<Vec<u8>, DecodeError> {
    let mut bytes = Vec::with_capacity(320);
    bytes.push(VERSION);
    let (texts, parts) =
        (values::Texts::of(record), sealed::Parts::seal(record, &record.salt, keyring)?);
    write(v1::RecordV1::new(record, &texts, parts.stored()), &mut bytes);
    Ok(bytes)
}

/// Takes what is written only if it is what was read.
struct Same<'b>(&'b [u8]);

impl Writer for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0 = self.0.strip_prefix(bytes).ok_or(EncodeError::Other("other bytes"))?;
        Ok(())
    }
}

/// Whether `record` with these sealed parts is encoded to exactly `body`, after the version.
fn encodes_to(record: &Record, parts: Vec<sealed::PartV1<'_>>, body: &[u8]) -> bool {
    let texts = values::Texts::of(record);
    let mut same = Same(body);
    let stored = v1::RecordV1::new(record, &texts, parts);
    let written = bincode::serde::encode_into_writer(stored, &mut same, config());
    written.is_ok() && same.0.is_empty()
}

/// Reads a record back.
///
/// # Errors
///
/// [`DecodeError`], for bytes that [`encode`] never gave.
pub(crate) fn decode(bytes: &[u8], interner: &mut Interner) -> Result<Record, DecodeError> {
    let Read { record, sections, parts, body } = read(bytes, interner)?;
    let is_canonical = sections.are_of(&record) && encodes_to(&record, parts, body);
    if is_canonical { Ok(record) } else { Err(DecodeError::NotCanonical) }
}

/// Speed: reads back a record of this ledger's own log while that is replayed, which holds its bytes
/// against the tiles. It does not encode again what [`encode`] gave, and is otherwise [`decode`], which
/// `fsck`, audits and whoever reads one record use.
///
/// # Errors
///
/// [`DecodeError`], for bytes that are no record.
pub(crate) fn decode_own(bytes: &[u8], interner: &mut Interner) -> Result<Record, DecodeError> {
    read(bytes, interner).map(|read| read.record)
}

/// A record that was read, and what of its bytes it was read from.
struct Read<'b> {
    record: Record,
    sections: sealed::Sections,
    parts: Vec<sealed::PartV1<'b>>,
    body: &'b [u8],
}

fn read<'b>(bytes: &'b [u8], interner: &mut Interner) -> Result<Read<'b>, DecodeError> {
    let (&version, body) = bytes.split_first().ok_or(DecodeError::Version)?;
    if version != VERSION {
        return Err(DecodeError::Version);
    }
    let (mut stored, used): (v1::RecordV1<'_>, usize) =
        bincode::serde::borrow_decode_from_slice(body, config())
            .map_err(|error| DecodeError::Layout(error.to_string()))?;
    if used != body.len() {
        return Err(DecodeError::NotCanonical);
    }
    let parts = std::mem::take(&mut stored.parts);
    let Interner { keyring, ciphers, .. } = interner;
    let sections = sealed::Sections::open(&parts, &stored.salt, &**keyring, ciphers)?;
    let record = stored.into_record(&sections, interner)?;
    Ok(Read { record, sections, parts, body })
}

/// When a record was made; nothing of it is opened.
///
/// # Errors
///
/// [`DecodeError`], for bytes in another layout.
pub(crate) fn recorded_at(bytes: &[u8]) -> Result<Timestamp, DecodeError> {
    let (&version, body) = bytes.split_first().ok_or(DecodeError::Version)?;
    if version != VERSION {
        return Err(DecodeError::Version);
    }
    let (at, _): (i64, usize) = bincode::serde::borrow_decode_from_slice(body, config())
        .map_err(|error| DecodeError::Layout(error.to_string()))?;
    values::moment(at)
}

/// The bytes of an entry of the access journal; what says who somebody is is sealed, as in records.
///
/// # Errors
///
/// [`DecodeError::NoKey`], for a person whose key `keyring` never had.
pub(crate) fn encode_access(access: &Access, keyring: &Keyring) -> Result<Vec<u8>, DecodeError> {
    let mut bytes = Vec::with_capacity(160);
    bytes.push(ACCESS_VERSION);
    let parts = sealed::Parts::seal(access, &access.salt, keyring)?;
    write(access_v1::EntryV1::new(access, parts.stored()), &mut bytes);
    Ok(bytes)
}

/// Reads an entry of the access journal back. Of whom the keyring never had a key, which may be older
/// than the journal, is read as erased.
///
/// # Errors
///
/// [`DecodeError`], for bytes that [`encode_access`] never gave.
pub(crate) fn decode_access(bytes: &[u8], interner: &mut Interner) -> Result<Access, DecodeError> {
    let (&version, body) = bytes.split_first().ok_or(DecodeError::Version)?;
    if version != ACCESS_VERSION {
        return Err(DecodeError::Version);
    }
    let (mut stored, used): (access_v1::EntryV1<'_>, usize) =
        bincode::serde::borrow_decode_from_slice(body, config())
            .map_err(|error| DecodeError::Layout(error.to_string()))?;
    if used != body.len() {
        return Err(DecodeError::NotCanonical);
    }
    let parts = std::mem::take(&mut stored.parts);
    let Interner { keyring, ciphers, .. } = interner;
    let keys = sealed::Lenient(keyring);
    let sections = sealed::Sections::open(&parts, &stored.salt, &keys, ciphers)?;
    let access = stored.into_access(&sections, interner)?;
    let mut again = vec![ACCESS_VERSION];
    write(access_v1::EntryV1::new(&access, parts), &mut again);
    let is_canonical = sections.are_of(&access) && again == bytes;
    if is_canonical { Ok(access) } else { Err(DecodeError::NotCanonical) }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
