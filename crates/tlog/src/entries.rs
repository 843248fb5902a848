//! Bundles of entries (c2sp.org/tlog-tiles, "Log entries"): `u16 BE length ‖ entry`, up to 256.
//!
//! ```
//! use tlog::entries;
//!
//! let bundle = entries::encode(["one", "three"])?;
//! assert_eq!(bundle, b"\x00\x03one\x00\x05three");
//! assert_eq!(entries::decode(&bundle)?, [&b"one"[..], b"three"]);
//! # Ok::<(), entries::BundleError>(())
//! ```

use crate::TILE_WIDTH;

/// The length of the longest entry, in bytes.
pub const MAX_ENTRY: usize = 65_535;

/// Why entries make no bundle, or bytes are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// An entry is longer than [`MAX_ENTRY`].
    #[error("an entry of {0} bytes is too long for a bundle")]
    TooLong(usize),
    /// A bundle holds 1 to 256 entries.
    #[error("a bundle holds 1 to 256 entries")]
    Count,
    /// The bytes end in the middle of an entry.
    #[error("the bundle ends in the middle of an entry")]
    Truncated,
}

/// The bundle of these entries, in order.
///
/// # Errors
///
/// [`BundleError::TooLong`] or [`BundleError::Count`].
pub fn encode<I>(entries: I) -> Result<Vec<u8>, BundleError>
where
    I: IntoIterator<Item: AsRef<[u8]>>,
{
    let mut bundle = Vec::new();
    let mut count = 0;
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::TooLong(entry.len()))?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
        count += 1;
        if count > TILE_WIDTH {
            return Err(BundleError::Count);
        }
    }
    if count == 0 { Err(BundleError::Count) } else { Ok(bundle) }
}

/// The entries of a bundle, in order. Every byte is accounted for.
///
/// How many there must be is for the caller to check: it is the width in the bundle's path.
///
/// # Errors
///
/// [`BundleError::Truncated`] or [`BundleError::Count`].
pub fn decode(bundle: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    let mut rest = bundle;
    while !rest.is_empty() {
        if entries.len() == usize::from(TILE_WIDTH) {
            return Err(BundleError::Count);
        }
        let (length, after) = rest.split_first_chunk().ok_or(BundleError::Truncated)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(BundleError::Truncated)?;
        entries.push(entry);
        rest = after;
    }
    if entries.is_empty() { Err(BundleError::Count) } else { Ok(entries) }
}
