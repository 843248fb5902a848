//! Files with a secret: only the owner may read them, and they are written whole or not at all.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use zeroize::Zeroizing;

use crate::print;

/// The longest file that is read; no file with a secret is nearly so long.
const MAX_BYTES: u64 = 1 << 20;

/// What happens to a file that others may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposed {
    /// It is refused.
    Refused,
    /// It is accepted with a warning: the file system has no permissions, and something else keeps
    /// others out.
    Accepted,
}

/// The file's text; `None` if there is no such file.
pub(crate) fn read(path: &Path, exposed: Exposed) -> Result<Option<Zeroizing<String>>> {
    let Some(bytes) = bytes(path, exposed)? else { return Ok(None) };
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| anyhow!("`{}` is no text", path.display()))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

/// The file's bytes; `None` if there is no such file.
pub(crate) fn bytes(path: &Path, exposed: Exposed) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let cannot = |error: io::Error| {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let what = if denied { "run this as the user that serves it" } else { "look at the disk" };
        anyhow!(error).context(format!("`{}` cannot be read; {what}", path.display()))
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(cannot)?,
    };
    let metadata = file.metadata().map_err(cannot)?;
    if is_exposed(&metadata) {
        let (path, mode) = (path.display(), metadata.mode() & 0o777);
        let sentence =
            format!("`{path}` holds a secret and others may read or write it (mode {mode:03o})");
        if exposed == Exposed::Refused {
            return Err(anyhow!(
                "{sentence}; `chmod 600 '{path}'`, or go on with --insecure-files"
            ));
        }
        print::warn(sentence);
    }
    // As long as the file from the start: a buffer that grows leaves copies of the secret in memory.
    let length = usize::try_from(metadata.len().min(MAX_BYTES))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 1));
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(Some(bytes))
}

/// Whether others than the owner may read or write it. The group may read a file of the superuser:
/// that is how secrets are mounted into containers.
fn is_exposed(metadata: &Metadata) -> bool {
    let of_root = metadata.uid() == 0 && !rustix::process::geteuid().is_root();
    metadata.mode() & if of_root { 0o037 } else { 0o077 } != 0
}

/// Makes the file. It is on stable storage on return.
pub(crate) fn write_new(path: &Path, text: &str) -> Result<()> {
    eventlog::files::write_new(path, text.as_bytes())
        .with_context(|| format!("`{}` cannot be made; start again", path.display()))
}

/// Replaces the file: after an error or a crash it has the old text or the new one, whole.
pub(crate) fn replace(path: &Path, text: &str) -> Result<()> {
    eventlog::files::replace(path, text.as_bytes())
        .with_context(|| format!("`{}` cannot be written; it is as it was", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_that_others_may_read_is_refused_unless_that_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(bytes(&path, Exposed::Refused).unwrap().is_none());
        fs::write(&path, "hidden").unwrap();
        for (mode, taken) in
            [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)]
        {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let refused = read(&path, Exposed::Refused);
            assert_eq!(refused.is_ok(), taken, "{mode:o}");
            if let Err(error) = refused {
                let sentence = error.to_string();
                assert!(sentence.contains(&format!("mode {mode:o}")), "{sentence}");
                assert!(!sentence.contains("hidden"), "{sentence}");
            }
            let accepted = read(&path, Exposed::Accepted).unwrap().unwrap();
            assert_eq!(*accepted, "hidden", "{mode:o}");
        }
    }
}
