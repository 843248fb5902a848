//! Files that hold a secret key: read by their owner alone, made once, whole or not at all.

use std::io;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use zeroize::Zeroizing;

/// The file's text; `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<String>>> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => text.map(Zeroizing::new).map(Some).with_context(|| {
            format!("`{}` cannot be read; run this as the user that serves it", path.display())
        }),
    }
}

/// Makes the file, on stable storage when this returns.
pub(crate) fn write_new(path: &Path, text: &str) -> Result<()> {
    eventlog::files::write_new(path, text.as_bytes())
        .with_context(|| format!("`{}` cannot be made; start again", path.display()))
}

/// Puts other text in the file; it is the old one or the new one, whole.
pub(crate) fn replace(path: &Path, text: &str) -> Result<()> {
    eventlog::files::replace(path, text.as_bytes())
        .with_context(|| format!("`{}` cannot be written; it is as it was", path.display()))
}

/// 32 random bytes.
pub(crate) fn seed() -> Result<Zeroizing<[u8; 32]>> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(|error| anyhow!("no random bytes: {error}"))?;
    Ok(seed)
}
