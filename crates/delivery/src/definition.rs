//! What a webhook is: fixed when it is made. Its file: `schemas/webhooks.md`.

use std::io;
use std::path::{Path, PathBuf};

use eventlog::files;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::idempotency::Idempotency;
use crate::secret::Secret;
use crate::target::Target;
use crate::webhook_id::WebhookId;

/// The version of the file.
const VERSION: u32 = 1;
/// What the name of the file ends with.
const SUFFIX: &str = ".json";

/// What a webhook is.
#[derive(Debug)]
pub struct Definition {
    /// Its id.
    pub id: WebhookId,
    /// Where it posts.
    pub target: Target,
    /// The words of what it wants to hear of, in the order they were given.
    pub events: Vec<String>,
    /// The account whose events it wants; `None` is all.
    pub account: Option<String>,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
    /// Who made it, as the caller wrote it.
    pub created_by: String,
    /// What signs its messages.
    pub secret: Secret,
    /// The request that made it, if that had an idempotency key.
    pub idempotency: Option<Idempotency>,
}

/// What is needed of a webhook that is to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Where it posts.
    pub target: Target,
    /// The words of what it wants to hear of.
    pub events: Vec<String>,
    /// The account whose events it wants; `None` is all.
    pub account: Option<String>,
    /// Who makes it: any text.
    pub created_by: String,
    /// What signs its messages; `None`: it is made.
    pub secret: Option<Secret>,
    /// The request, if it has an idempotency key.
    pub idempotency: Option<Idempotency>,
}

/// The file, in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    v: u32,
    id: String,
    url: String,
    events: Vec<String>,
    account: Option<String>,
    created_at: i64,
    created_by: String,
    secret: String,
    idempotency: Option<Idempotency>,
}

impl Definition {
    /// Writes the file into `folder`: its owner alone may read it. It is on stable storage on
    /// return.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut stored = Stored {
            v: VERSION,
            id: self.id.to_string(),
            url: self.target.to_string(),
            events: self.events.clone(),
            account: self.account.clone(),
            created_at: self.created_at,
            created_by: self.created_by.clone(),
            secret: self.secret.text().to_string(),
            idempotency: self.idempotency,
        };
        let text = serde_json::to_string(&stored).map(|text| Zeroizing::new(text + "\n"));
        stored.secret.zeroize();
        files::write_new(&path(folder, self.id), text?.as_bytes())
    }

    /// Reads a file that [`Definition::write`] wrote.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] for another one; nothing of its text is in the message.
    pub(crate) fn read(path: &Path) -> io::Result<Definition> {
        let text = Zeroizing::new(std::fs::read(path)?);
        Definition::parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no webhook"))
    }

    fn parse(text: &[u8]) -> Option<Definition> {
        let stored: Stored = serde_json::from_slice(text).ok()?;
        let secret = Zeroizing::new(stored.secret);
        if stored.v != VERSION {
            return None;
        }
        Some(Definition {
            id: stored.id.parse().ok()?,
            target: stored.url.parse().ok()?,
            events: stored.events,
            account: stored.account,
            created_at: stored.created_at,
            created_by: stored.created_by,
            secret: secret.parse().ok()?,
            idempotency: stored.idempotency,
        })
    }
}

/// Whether a file of this name is a definition.
pub(crate) fn is_one(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(SUFFIX))
}

/// The file of a webhook in a folder.
pub(crate) fn path(folder: &Path, id: WebhookId) -> PathBuf {
    folder.join(format!("{id}{SUFFIX}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_definition_comes_back_from_its_file() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let definition = Definition {
            id: "019b7ca9-8c88-7707-8707-070707070707".parse().unwrap(),
            target: "https://a.example/x?y=z".parse().unwrap(),
            events: vec!["created".to_owned(), "expiring".to_owned()],
            account: Some("acme".to_owned()),
            created_at: 1_700_000_000_000_000,
            created_by: "ann".to_owned(),
            secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap(),
            idempotency: Some(Idempotency { key: [1; 32], request: [2; 32] }),
        };
        definition.write(folder.path()).unwrap();
        let path = path(folder.path(), definition.id);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = Definition::read(&path).unwrap();
        assert_eq!(format!("{read:?}"), format!("{definition:?}"));
        assert_eq!(read.secret.text(), definition.secret.text());
        assert!(!format!("{read:?}").contains("whsec_"), "a secret is not printed");
        assert!(is_one(&path) && !is_one(&crate::attempt_file::path(folder.path(), read.id)));
        let later = std::fs::read_to_string(&path).unwrap().replace("\"v\":1", "\"v\":2");
        std::fs::write(&path, later).unwrap();
        let refused = Definition::read(&path).unwrap_err();
        assert!(!refused.to_string().contains("whsec"), "{refused}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_definition_or_none(bytes: Vec<u8>, text in "\\{(\"[a-z]{1,8}\":[0-9\"a-z\\[\\]]{1,9},?){0,9}\\}") {
            prop_assert!(Definition::parse(&bytes).is_none());
            prop_assert!(Definition::parse(text.as_bytes()).is_none());
        }
    }
}
