//! Taking a person out of the table, who was erased: afterwards it is the table that a replay of the
//! same log makes, which cannot read any more who that was.
//!
//! A key that was made for the person is another object from then on, because what a key was made as
//! is read without a lock; every index changes from the one to the other in one step.

use std::sync::Arc;

use hashbrown::HashSet;
use keys::{Account, Dialect, KeyId, Subject};

use super::{Key, KeyTable};
use crate::limits::Spent;

/// Keys copied out under one hold of the lock.
const SLICE: usize = if cfg!(test) { 8 } else { 256 };

/// Where in the table a person is spoken of.
#[derive(Default)]
pub(crate) struct Traces {
    /// How many keys were looked at.
    looked_at: usize,
    /// Keys among those that speak of the person, by their places.
    places: Vec<usize>,
    /// Keys that were edited meanwhile.
    edited: Vec<KeyId>,
    /// The accounts in which the person has a key, or ever had one.
    accounts: HashSet<Account>,
}

impl Traces {
    /// Adds a key that was edited since the first key was looked at.
    pub(crate) fn add(&mut self, key: &Key) {
        self.edited.push(key.made.id);
        self.accounts.insert(key.made.account.clone());
    }
}

/// A key, and the one in its place.
struct Moved {
    old: Arc<Key>,
    new: Arc<Key>,
    /// What was used of the old one when it was copied.
    spent: Spent,
}

impl KeyTable {
    /// Adds to `traces` those of `subject` in the keys that were not looked at yet.
    pub(crate) fn trace(&self, subject: &Subject, traces: &mut Traces) {
        loop {
            let keys = self.slice(traces.looked_at, SLICE);
            if keys.is_empty() {
                return;
            }
            for key in keys {
                if key.speaks_of(subject) {
                    traces.places.push(traces.looked_at);
                }
                let account = &key.made.account;
                // Each account has one such key; it stands for all that the person had before.
                let is_first = key.made.number == 1;
                let had = || self.account(account.as_str()).is_some_and(|keys| keys.knows(subject));
                if key.made.owner == *subject || (is_first && had()) {
                    traces.accounts.insert(account.clone());
                }
                traces.looked_at += 1;
            }
        }
    }

    /// Takes `subject`, who is `erased` from now on, out of all that `traces` name, and says how many
    /// keys it had at last. To be called by the one who applies records.
    pub(crate) fn erase(&self, subject: &Subject, erased: &Subject, traces: &Traces) -> usize {
        let (mut moved, mut had) = (Vec::new(), 0);
        for place in &traces.places {
            for old in self.slice(*place, 1) {
                had += usize::from(old.attributes().owner == *subject);
                if old.made.owner == *subject {
                    moved.push(self.replace(*place, old, subject, erased));
                } else {
                    self.erase_in(&old, subject, erased);
                }
            }
        }
        for key in traces.edited.iter().filter_map(|id| self.get(*id)) {
            had += usize::from(key.attributes().owner == *subject);
            self.erase_in(&key, subject, erased);
        }
        for account in traces.accounts.iter().filter_map(|name| self.account(name.as_str())) {
            account.erase_owner(subject, erased);
        }
        self.orders.erase(subject, moved.iter().map(|Moved { old, new, .. }| (old, new)));
        for Moved { old, new, spent } in &moved {
            // Whoever had found the old one by then has counted there.
            new.uses.add_since(&old.uses, spent);
        }
        had
    }

    /// Puts another object in the place of a key that was made for `subject`.
    fn replace(&self, place: usize, old: Arc<Key>, subject: &Subject, erased: &Subject) -> Moved {
        let before = old.current();
        let new = Arc::new(old.of_erased(erased));
        new.erase(subject, erased);
        let spent = new.uses.spent();
        self.by_id.replace(&old, &new);
        if old.made.dialect != Dialect::Native {
            self.by_prefix.replace(&old, &new);
        }
        if let Some(own) = self.all.write().get_mut(place) {
            *own = Arc::clone(&new);
        }
        if let Some(account) = self.account(before.account.as_str()) {
            account.erased(&new, &before);
        }
        self.by_digest.replace(&old, &new);
        Moved { old, new, spent }
    }

    /// Takes `subject` out of a key that was made for somebody else.
    fn erase_in(&self, key: &Arc<Key>, subject: &Subject, erased: &Subject) {
        let before = key.current();
        key.erase(subject, erased);
        if before.owner != *subject {
            return;
        }
        if let Some(account) = self.account(before.account.as_str()) {
            account.erased(key, &before);
        }
        self.orders.changed(key);
    }
}
