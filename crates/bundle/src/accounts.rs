//! Which account the keys belong to whose creation is not among a part's records.
//!
//! Only the manifest vouches for it. One line for each key, in the order in which they first come
//! up: `<key id> <account>`.

use std::collections::{BTreeMap, HashSet};

use keys::{Account, KeyId};
use ledger::Entry;

/// The lines so far, and the keys that need no line any more.
#[derive(Default)]
pub(crate) struct Accounts {
    text: String,
    met: HashSet<KeyId>,
}

impl Accounts {
    /// Adds what `entry` does not say itself.
    pub(crate) fn add(&mut self, entry: &Entry) {
        let Entry { record, account, .. } = entry;
        for link in record.links() {
            if self.met.insert(link.key) && link.before.is_some() {
                self.text += &format!("{} {account}\n", link.key);
            }
        }
    }

    /// The file.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Reads the file.
    pub(crate) fn parse(text: &str) -> Option<BTreeMap<KeyId, Account>> {
        let mut accounts = BTreeMap::new();
        for line in text.lines() {
            let (key, account) = line.split_once(' ')?;
            accounts.insert(key.parse().ok()?, account.parse().ok()?);
        }
        Some(accounts)
    }
}
