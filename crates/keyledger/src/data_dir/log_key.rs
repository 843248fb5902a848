//! `log.key`: the key that signs the log, with the public keys that did before it.
//!
//! It is not the key that signs tokens. Its form is that of [`Signing::to_text`].

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use eventlog::Seq;
use ledger::Signing;

use crate::data_dir::secret_file::{self, Exposed};
use crate::exit::misuse;

/// A key that is in its file, or will be.
pub(crate) struct Kept {
    /// The key.
    pub(crate) signing: Signing,
    /// Whether the file is still to be made.
    is_new: bool,
}

impl Kept {
    /// Reads the key, or thinks one up; nothing is written yet. `origin` is what an operator
    /// wants the log to be called.
    pub(crate) fn find(data: &Path, origin: Option<&str>, exposed: Exposed) -> Result<Kept> {
        if let Some(signing) = find(data, exposed)? {
            let names = signing.chain().keys();
            if origin.is_some_and(|origin| names.iter().all(|key| key.name() != origin)) {
                let has = signing.origin();
                return Err(misuse(format!(
                    "this log is called `{has}`, and an origin never changes; leave --origin out"
                )));
            }
            return Ok(Kept { signing, is_new: false });
        }
        let origin = origin.map_or_else(new_origin, |origin| Ok(origin.to_owned()))?;
        let signing = Signing::new(&origin, *secret_file::seed()?);
        let signing = signing.map_err(|why| misuse(format!("--origin: {why}")))?;
        Ok(Kept { signing, is_new: true })
    }

    /// As [`Kept::find`]; a log that has no key yet gets this name, one that has keeps its own.
    pub(crate) fn find_or_name(data: &Path, origin: &str, exposed: Exposed) -> Result<Kept> {
        match find(data, exposed)? {
            Some(signing) => Ok(Kept { signing, is_new: false }),
            None => Kept::find(data, Some(origin), exposed),
        }
    }

    /// Sees to it that the key is in its file, on stable storage. A log with records that lost
    /// its key gets another only if its operator accepts that.
    pub(crate) fn keep(&self, data: &Path, length: Seq, accept_rollback: bool) -> Result<()> {
        let path = path(data);
        if !self.is_new {
            return Ok(());
        }
        if length > Seq(0) && !accept_rollback {
            bail!(
                "`{}` is missing, which signs this log; restore it from a backup, or start once \
                 with --accept-rollback, which begins a new origin",
                path.display()
            );
        }
        secret_file::write_new(&path, &self.signing.to_text())
    }
}

/// Reads the key of a log that has one.
pub(crate) fn read(data: &Path, exposed: Exposed) -> Result<Signing> {
    find(data, exposed)?.with_context(|| {
        let data = data.display();
        format!("there is no log key in `{data}`; start `keyledger serve --data {data}` once")
    })
}

/// Puts the key that comes after the present one in its place.
pub(crate) fn replace(data: &Path, next: &Signing) -> Result<()> {
    secret_file::replace(&path(data), &next.to_text())
}

/// The name of a log that its operator has not named.
pub(crate) fn new_origin() -> Result<String> {
    let mut random = [0; 16];
    let seed = secret_file::seed()?;
    random.copy_from_slice(seed.get(..16).unwrap_or_default());
    Ok(format!("keyledger.local/{}", uuid::Builder::from_random_bytes(random).into_uuid()))
}

fn find(data: &Path, exposed: Exposed) -> Result<Option<Signing>> {
    let path = path(data);
    let Some(text) = secret_file::read(&path, exposed)? else { return Ok(None) };
    let signing = Signing::parse(&text);
    signing
        .map(Some)
        .with_context(|| format!("`{}` is no log key; restore it from a backup", path.display()))
}

fn path(data: &Path) -> PathBuf {
    data.join("log.key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_its_key_and_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let kept = Kept::find(data, Some("ledger.example.com/keys"), Exposed::Refused).unwrap();
        kept.keep(data, Seq(0), false).unwrap();
        let again = Kept::find(data, None, Exposed::Refused).unwrap();
        assert_eq!(again.signing.chain(), kept.signing.chain());
        assert_eq!(read(data, Exposed::Refused).unwrap().origin(), "ledger.example.com/keys");
        assert!(Kept::find(data, Some("other"), Exposed::Refused).is_err());
        assert_ne!(new_origin().unwrap(), new_origin().unwrap());
    }

    #[test]
    fn a_log_that_lost_its_key_gets_no_other_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::find(folder.path(), None, Exposed::Refused).unwrap();
        let refused = kept.keep(folder.path(), Seq(5), false).unwrap_err().to_string();
        assert!(refused.contains("is missing"), "{refused}");
        assert!(!path(folder.path()).exists());
        kept.keep(folder.path(), Seq(5), true).unwrap();
    }
}
