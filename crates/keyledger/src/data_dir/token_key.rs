//! `token.key`: the key that signs the service's own tokens. It is not the key that signs the log.
//!
//! The file holds the 32 bytes of an Ed25519 seed (RFC 8032 §5.1.5) as one line of base64url.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use server::token::TokenKey;
use zeroize::Zeroizing;

use crate::data_dir::secret_file::{self, Exposed};
use crate::random;

/// The token key, and the text of its file if that must still be written.
pub(crate) struct TokenKeyFile {
    /// The key.
    pub(crate) key: TokenKey,
    /// The text of the file if the key was generated.
    unwritten: Option<Zeroizing<String>>,
}

impl TokenKeyFile {
    /// Reads the key, or generates one; nothing is written yet.
    pub(crate) fn read_or_generate(data: &Path, exposed: Exposed) -> Result<TokenKeyFile> {
        if let Some(key) = read_if_exists(data, exposed)? {
            return Ok(TokenKeyFile { key, unwritten: None });
        }
        let seed = random::bytes()?;
        let line = Zeroizing::new(URL_SAFE_NO_PAD.encode(*seed) + "\n");
        Ok(TokenKeyFile { key: TokenKey::from_seed(&seed), unwritten: Some(line) })
    }

    /// Writes the file if it does not exist; it is on stable storage on return.
    pub(crate) fn write_if_new(&self, data: &Path) -> Result<()> {
        let Some(line) = &self.unwritten else { return Ok(()) };
        secret_file::write_new(&path(data), line)
    }
}

/// Reads the key of a directory that was served before.
pub(crate) fn read(data: &Path, exposed: Exposed) -> Result<TokenKey> {
    read_if_exists(data, exposed)?.ok_or_else(|| {
        let data = data.display();
        anyhow!("there is no token key in `{data}`; start `keyledger serve --data {data}` once")
    })
}

fn read_if_exists(data: &Path, exposed: Exposed) -> Result<Option<TokenKey>> {
    let path = path(data);
    let Some(text) = secret_file::read(&path, exposed)? else { return Ok(None) };
    let key = decode(&text);
    key.map(Some)
        .with_context(|| format!("`{}` is no token key; restore it from a backup", path.display()))
}

fn path(data: &Path) -> PathBuf {
    data.join("token.key")
}

fn decode(text: &str) -> Option<TokenKey> {
    let mut seed = Zeroizing::new([0; 32]);
    let length = URL_SAFE_NO_PAD.decode_slice(text.trim_end(), seed.as_mut()).ok()?;
    (length == seed.len()).then(|| TokenKey::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        assert!(
            read(folder.path(), Exposed::Refused)
                .unwrap_err()
                .to_string()
                .contains("keyledger serve")
        );
        TokenKeyFile::read_or_generate(folder.path(), Exposed::Refused)
            .unwrap()
            .write_if_new(folder.path())
            .unwrap();
        let line = std::fs::read(path(folder.path())).unwrap();
        let mode = std::fs::metadata(path(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        TokenKeyFile::read_or_generate(folder.path(), Exposed::Refused)
            .unwrap()
            .write_if_new(folder.path())
            .unwrap();
        assert_eq!(std::fs::read(path(folder.path())).unwrap(), line);
        read(folder.path(), Exposed::Refused).unwrap();
        std::fs::write(path(folder.path()), "short\n").unwrap();
        assert!(
            read(folder.path(), Exposed::Refused)
                .unwrap_err()
                .to_string()
                .contains("is no token key")
        );
    }
}
