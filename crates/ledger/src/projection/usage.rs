//! Counts of use, in a file of their own: written now and then, replaced whole, never an event.

use std::io;
use std::path::{Path, PathBuf};

use keys::KeyId;

use crate::projection::table::KeyTable;

/// What the file begins with.
const MAGIC: &[u8; 16] = b"keyledger use 1\n";
/// Id, last use, day and count.
const ROW: usize = 16 + 8 + 8;

/// Why the counts of use were not read or written.
#[derive(Debug, thiserror::Error)]
#[error("the counts of use in {path}: {source}")]
pub struct UsageError {
    path: PathBuf,
    source: io::Error,
}

impl UsageError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> UsageError {
        let path = path.to_owned();
        move |source| UsageError { path, source }
    }
}

/// Writes the counts of all keys that were ever used.
pub(crate) fn save(path: &Path, table: &KeyTable) -> Result<(), UsageError> {
    const CHUNK: usize = 4096;
    let mut bytes = MAGIC.to_vec();
    let mut place = 0;
    loop {
        let keys = table.slice(place, CHUNK);
        for key in &keys {
            let (last, today) = key.uses.raw();
            if last != 0 {
                bytes.extend(key.made.id.to_bytes());
                bytes.extend(last.to_be_bytes());
                bytes.extend(today.to_be_bytes());
            }
        }
        place += keys.len();
        if keys.len() < CHUNK {
            break;
        }
    }
    let unchanged = std::fs::read(path).is_ok_and(|before| before == bytes);
    if unchanged {
        return Ok(());
    }
    eventlog::files::replace(path, &bytes).map_err(UsageError::at(path))
}

/// Reads the counts back. A missing file is no counts; a file that is none is left alone. How many
/// are of keys that this log does not have: it is another log's file, or a newer one.
pub(crate) fn restore(path: &Path, table: &KeyTable) -> Result<usize, UsageError> {
    let mut unknown = 0;
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(UsageError::at(path)(error)),
    };
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not a file of counts; remove it");
    let rows = bytes.strip_prefix(MAGIC).ok_or_else(wrong).map_err(UsageError::at(path))?;
    if let Err(error) = eventlog::files::tighten(path) {
        tracing::warn!(path = %path.display(), %error, "other users may read this file, and its permissions cannot be changed");
    }
    let (rows, _) = rows.as_chunks();
    for row in rows {
        if let Some(key) = table.get(KeyId::from_bytes(part(row, 0))) {
            let (last, today) = (part(row, 16), part(row, 24));
            key.uses.restore((i64::from_be_bytes(last), u64::from_be_bytes(today)));
        } else {
            unknown += 1;
        }
    }
    Ok(unknown)
}

/// The `N` bytes of a row from `from` on.
#[expect(clippy::expect_used, reason = "the parts of a row lie within it")]
fn part<const N: usize>(row: &[u8; ROW], from: usize) -> [u8; N] {
    row.get(from..).and_then(|rest| rest.first_chunk()).copied().expect("a part of a row")
}
