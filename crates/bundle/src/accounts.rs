//! The accounts of the keys whose creation is not in a part of a log.
//!
//! They are covered only by the manifest. One line for each key, in the order of first occurrence:
//! `<key id> <account>`.

use std::collections::{BTreeMap, HashSet};

use keys::{Account, KeyId};
use ledger::Entry;

/// The lines so far, and the keys that have occurred.
#[derive(Default)]
pub(crate) struct Accounts {
    text: String,
    seen: HashSet<KeyId>,
}

impl Accounts {
    /// Adds the accounts of the keys that `entry` touches and does not create.
    pub(crate) fn add(&mut self, entry: &Entry) {
        let Entry { record, account, .. } = entry;
        for link in record.links.iter() {
            if self.seen.insert(link.key) && link.before.is_some() {
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
            accounts.insert(key.parse().ok()?, Account::stored(account).ok()?);
        }
        Some(accounts)
    }
}
