//! The ballast: a file that reserves disk space.
//!
//! sled does not open on a full disk: it writes a snapshot and at least one segment before it
//! reads anything. In that case the ballast is deleted, and the log can be opened.

use std::{io, path::Path};

use super::layout::BALLAST;
use crate::files;

/// Enough for sled's first segment and a snapshot of some 100,000 pages.
const BYTES: usize = 8 << 20;

/// Creates the ballast if it is missing and there is room.
pub(super) fn restore(dir: &Path) {
    let path = dir.join(BALLAST);
    if path.exists() {
        return;
    }
    if let Err(error) = files::write_new(&path, &noise()) {
        tracing::warn!(path = %path.display(), %error, "no room for the ballast");
        // A partial file must not occupy the disk for ever.
        let _ = files::remove_if_there(&dir.join(format!(".{BALLAST}.aside")));
    }
}

/// Deletes the ballast. Returns whether there was one.
pub(super) fn drop(dir: &Path) -> io::Result<bool> {
    let path = dir.join(BALLAST);
    let there = path.try_exists()?;
    files::remove_if_there(&path)?;
    Ok(there)
}

/// Bytes that a file system cannot compress.
fn noise() -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = (0..BYTES / 8).flat_map(|_| {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}
