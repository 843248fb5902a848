//! `log.key`: the key that signs the log, and the public keys of its predecessors.
//!
//! It is not the key that signs tokens. Its format is that of [`Signing::to_text`].

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use eventlog::Seq;
use ledger::Signing;

use crate::data_dir::secret_file::{self, Exposed};
use crate::exit::misuse;
use crate::random;

/// The key of a log, and whether its file must still be written.
pub(crate) struct LogKeyFile {
    /// The key.
    pub(crate) signing: Signing,
    /// Whether the key was generated and its file must still be written.
    is_new: bool,
}

impl LogKeyFile {
    /// Reads the key, or generates one; nothing is written yet. `origin` is the name that the
    /// operator gave the log.
    pub(crate) fn read_or_generate(
        data: &Path,
        origin: Option<&str>,
        exposed: Exposed,
    ) -> Result<LogKeyFile> {
        if let Some(signing) = read_if_exists(data, exposed)? {
            let names = signing.chain().keys();
            if origin.is_some_and(|origin| names.iter().all(|key| key.name() != origin)) {
                let has = signing.origin();
                return Err(misuse(format!(
                    "this log is called `{has}`, and an origin never changes; leave --origin out"
                )));
            }
            return Ok(LogKeyFile { signing, is_new: false });
        }
        let origin = origin.map_or_else(new_origin, |origin| Ok(origin.to_owned()))?;
        let signing = Signing::new(&origin, *random::bytes()?);
        let signing = signing.map_err(|why| misuse(format!("--origin: {why}")))?;
        Ok(LogKeyFile { signing, is_new: true })
    }

    /// As [`LogKeyFile::read_or_generate`]; `origin` is the name of a new log only, an existing log
    /// has its own.
    pub(crate) fn read_or_generate_as(
        data: &Path,
        origin: &str,
        exposed: Exposed,
    ) -> Result<LogKeyFile> {
        match read_if_exists(data, exposed)? {
            Some(signing) => Ok(LogKeyFile { signing, is_new: false }),
            None => LogKeyFile::read_or_generate(data, Some(origin), exposed),
        }
    }

    /// Writes the file if it does not exist; it is on stable storage on return. A log with records
    /// whose key is missing gets a new key only if `accept_rollback`.
    pub(crate) fn write_if_new(
        &self,
        data: &Path,
        length: Seq,
        accept_rollback: bool,
    ) -> Result<()> {
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

/// Reads the key of an existing log.
pub(crate) fn read(data: &Path, exposed: Exposed) -> Result<Signing> {
    read_if_exists(data, exposed)?.with_context(|| {
        let data = data.display();
        format!("there is no log key in `{data}`; start `keyledger serve --data {data}` once")
    })
}

/// Replaces the key by its successor.
pub(crate) fn replace(data: &Path, next: &Signing) -> Result<()> {
    secret_file::replace(&path(data), &next.to_text())
}

/// The name of a log without a name from its operator: `keyledger.local/` and a random UUID.
pub(crate) fn new_origin() -> Result<String> {
    let random = random::bytes::<16>()?;
    Ok(format!("keyledger.local/{}", uuid::Builder::from_random_bytes(*random).into_uuid()))
}

fn read_if_exists(data: &Path, exposed: Exposed) -> Result<Option<Signing>> {
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
        let file =
            LogKeyFile::read_or_generate(data, Some("ledger.example.com/keys"), Exposed::Refused)
                .unwrap();
        file.write_if_new(data, Seq(0), false).unwrap();
        let again = LogKeyFile::read_or_generate(data, None, Exposed::Refused).unwrap();
        assert_eq!(again.signing.chain(), file.signing.chain());
        assert_eq!(read(data, Exposed::Refused).unwrap().origin(), "ledger.example.com/keys");
        assert!(LogKeyFile::read_or_generate(data, Some("other"), Exposed::Refused).is_err());
        assert_ne!(new_origin().unwrap(), new_origin().unwrap());
    }

    #[test]
    fn a_log_whose_key_is_missing_gets_a_new_one_only_if_that_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let file = LogKeyFile::read_or_generate(folder.path(), None, Exposed::Refused).unwrap();
        let refused = file.write_if_new(folder.path(), Seq(5), false).unwrap_err().to_string();
        assert!(refused.contains("is missing"), "{refused}");
        assert!(!path(folder.path()).exists());
        file.write_if_new(folder.path(), Seq(5), true).unwrap();
    }
}
