//! The manifest: the list of a bundle's files with lengths and hashes, and the note that signs it.

use keys::{Account, Invalid, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Which of a log's records a bundle contains; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only those of this account's keys.
    pub account: Option<Account>,
    /// Only those recorded at this time or later.
    pub from: Option<Timestamp>,
    /// Only those recorded before this time.
    pub to: Option<Timestamp>,
}

impl Scope {
    /// Whether it is the whole log.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Scope::default()
    }

    /// Whether times leave no moment between them.
    #[must_use]
    pub fn is_inverted(&self) -> bool {
        matches!((self.from, self.to), (Some(from), Some(to)) if from >= to)
    }

    /// Whether a record of that account and time is in it.
    #[must_use]
    pub fn covers(&self, account: &Account, at: Timestamp) -> bool {
        self.account.as_ref().is_none_or(|own| own == account)
            && self.from.is_none_or(|from| from <= at)
            && self.to.is_none_or(|to| at < to)
    }
}

/// An entry of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) length: u64,
    pub(crate) sha256: String,
}

impl Listed {
    pub(crate) fn new(name: &str, length: u64, hash: Sha256) -> Listed {
        Listed { name: name.to_owned(), length, sha256: hex::encode(hash.finalize()) }
    }
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The version of the layout.
    pub(crate) bundle: u32,
    pub(crate) origin: String,
    /// The size of the log that the checkpoint commits to.
    pub(crate) size: u64,
    /// The number of records in the bundle; of a part with those that show that nothing is missing.
    pub(crate) records: u64,
    pub(crate) account: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    /// Every file but the manifest and its note, in order.
    pub(crate) members: Vec<Listed>,
}

/// A version of the layout. The last one is written, all are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// Without a heartbeat, and with parts that do not show that nothing is missing.
    One,
    /// The last.
    Two,
}

impl Version {
    const LAST: Version = Version::Two;

    fn number(self) -> u32 {
        match self {
            Version::One => 1,
            Version::Two => 2,
        }
    }
}

impl Manifest {
    pub(crate) fn new(origin: &str, size: u64, records: u64, scope: &Scope) -> Manifest {
        Manifest {
            bundle: Version::LAST.number(),
            origin: origin.to_owned(),
            size,
            records,
            account: scope.account.as_ref().map(|account| account.as_str().to_owned()),
            from: scope.from.map(|from| from.to_string()),
            to: scope.to.map(|to| to.to_string()),
            members: Vec::new(),
        }
    }

    /// The file: JSON, with each member on its own line.
    #[expect(clippy::expect_used, reason = "strings and numbers are always JSON")]
    pub(crate) fn text(&self) -> String {
        let head = Manifest { members: Vec::new(), ..self.clone() };
        let head = serde_json::to_string(&head).expect("names and numbers are JSON");
        let head = head.strip_suffix("]}").expect("its list of members is its last field");
        let mut text = head.to_owned();
        for (place, member) in self.members.iter().enumerate() {
            text += if place == 0 { "\n" } else { ",\n" };
            text += &serde_json::to_string(member).expect("names and numbers are JSON");
        }
        text + "\n]}\n"
    }

    /// Parses exactly the bytes that [`Manifest::text`] returns.
    pub(crate) fn parse(text: &[u8]) -> Option<Manifest> {
        let manifest: Manifest = serde_json::from_slice(text).ok()?;
        (manifest.version().is_some() && manifest.text().as_bytes() == text).then_some(manifest)
    }

    pub(crate) fn version(&self) -> Option<Version> {
        [Version::One, Version::Two].into_iter().find(|one| one.number() == self.bundle)
    }

    pub(crate) fn scope(&self) -> Option<Scope> {
        Some(Scope {
            // One that is on record, whatever requests may call an account by now.
            account: self.account.as_deref().map(Account::stored).transpose().ok()?,
            from: self.from.as_deref().map(time).transpose().ok()?,
            to: self.to.as_deref().map(time).transpose().ok()?,
        })
    }
}

/// A time in the one spelling that the manifest has of it.
///
/// # Errors
///
/// [`Invalid`] for any other text.
fn time(text: &str) -> Result<Timestamp, Invalid> {
    let time: Timestamp = text.parse()?;
    let expected = "a time as a manifest has it";
    if time.to_string() == text { Ok(time) } else { Err(Invalid::Malformed { expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_has_one_text() {
        let scope = Scope {
            account: Some(Account::new("acme \"x\"").unwrap()),
            from: Some(Timestamp::from_secs(1_700_000_000)),
            to: None,
        };
        let mut manifest = Manifest::new("example.com/log", 7, 3, &scope);
        for members in 0..3 {
            let text = manifest.text();
            assert_eq!(text.lines().count(), 2 + members);
            let read = Manifest::parse(text.as_bytes()).unwrap();
            assert_eq!((&read, read.scope().as_ref()), (&manifest, Some(&scope)));
            for other in [text.replace(',', ", "), text.clone() + "\n", text.replace("{}", "{ }")] {
                assert!(other == text || Manifest::parse(other.as_bytes()).is_none(), "{other}");
            }
            manifest.members.push(Listed::new("checkpoint", 5, Sha256::new()));
        }
    }
}
