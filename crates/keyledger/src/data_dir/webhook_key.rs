//! `webhooks/signing.key`: the key that signs what webhooks send. It signs nothing else.
//!
//! The file holds the 32 bytes of an Ed25519 seed (RFC 8032 §5.1.5) as one line of base64url. Beside it,
//! in `webhooks/signing.note`, is what the log's key says of it.

use std::io;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use delivery::SigningKey;
use ledger::{Ledger, Vouched};

use crate::data_dir::layout;
use crate::data_dir::secret_file::{self, Exposed};

/// What the key signs, in the words of the note.
const PURPOSE: &str = "webhooks";

/// The key, and whether its file must still be written.
pub(crate) struct WebhookKeyFile {
    /// The key.
    pub(crate) key: SigningKey,
    is_new: bool,
}

impl WebhookKeyFile {
    /// Reads the key, or generates one; nothing is written yet.
    pub(crate) fn read_or_generate(data: &Path, exposed: Exposed) -> Result<WebhookKeyFile> {
        let path = layout::webhook_key(data);
        let Some(line) = secret_file::read(&path, exposed)? else {
            let key = SigningKey::random().map_err(|error| anyhow!("no random bytes: {error}"))?;
            return Ok(WebhookKeyFile { key, is_new: true });
        };
        let key = SigningKey::parse(&line).with_context(|| {
            format!("`{}` is no webhook key; restore it from a backup", path.display())
        })?;
        Ok(WebhookKeyFile { key, is_new: false })
    }

    /// Writes the file if it does not exist; its folder does. It is on stable storage on return.
    pub(crate) fn write_if_new(&self, data: &Path) -> Result<()> {
        if self.is_new {
            secret_file::write_new(&layout::webhook_key(data), &self.key.to_line())?;
        }
        Ok(())
    }

    /// The note in which the log's key vouches for this one, made anew if either has changed. That of
    /// a former key of the log says since when.
    pub(crate) fn vouch(&self, data: &Path, ledger: &Ledger) -> Result<String> {
        let path = layout::webhook_key_note(data);
        let before = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes.with_context(|| format!("`{}` cannot be read", path.display()))?,
        };
        let (key, purpose) = (self.key.public_text(), PURPOSE.to_owned());
        let vouched = Vouched::open(&before, ledger.signing_keys()?)
            .filter(|vouched| vouched.key == key && vouched.purpose == purpose)
            .unwrap_or_else(|| Vouched { purpose, key, since: ledger.now().to_string() });
        let note = ledger.vouch(&vouched)?;
        if note.as_bytes() != before {
            secret_file::replace(&path, &note)?;
        }
        Ok(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        std::fs::create_dir(layout::webhooks(data)).unwrap();
        let read = || WebhookKeyFile::read_or_generate(data, Exposed::Refused);
        let made = read().unwrap();
        made.write_if_new(data).unwrap();
        let again = read().unwrap();
        assert_eq!(again.key.public_text(), made.key.public_text());
        again.write_if_new(data).unwrap();
        std::fs::write(layout::webhook_key(data), "short\n").unwrap();
        let refused = read().err().unwrap().to_string();
        assert!(refused.contains("is no webhook key"), "{refused}");
    }
}
