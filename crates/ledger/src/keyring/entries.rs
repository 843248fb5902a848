//! The keys in memory, and whose each of them is.

use hashbrown::HashMap;
use keys::{Pseudonym, Subject};

use super::PersonKey;

#[derive(Default)]
pub(super) struct Keys {
    pub(super) all: HashMap<Pseudonym, Entry>,
    pub(super) persons: HashMap<Subject, Pseudonym>,
    /// Keys that are nobody's yet. Some are given already after a replay, which then says so.
    pub(super) spare: Vec<Pseudonym>,
}

pub(super) struct Entry {
    /// `None` was destroyed.
    pub(super) key: Option<PersonKey>,
    /// Whose it is. One person may have several, made by several nodes.
    pub(super) person: Option<Subject>,
    /// Where in the file it is; `None` is only in memory.
    pub(super) place: Option<u64>,
    /// Whether something is left in the file of a key that cannot be used.
    pub(super) is_torn: bool,
}

impl Entry {
    /// Whether anything of the key is there.
    pub(super) fn has_left(&self) -> bool {
        self.key.is_some() || self.is_torn
    }
}

impl Keys {
    /// Gives `subject` a key that is nobody's; `None` if there is none left.
    pub(super) fn give(&mut self, subject: &Subject) -> Option<Pseudonym> {
        if let Some(pseudonym) = self.persons.get(subject) {
            return Some(*pseudonym);
        }
        loop {
            let pseudonym = self.spare.pop()?;
            let is_nobodys = |entry: &&mut Entry| entry.person.is_none() && entry.key.is_some();
            if let Some(entry) = self.all.get_mut(&pseudonym).filter(is_nobodys) {
                entry.person = Some(subject.clone());
                self.persons.insert(subject.clone(), pseudonym);
                return Some(pseudonym);
            }
        }
    }

    /// Drops a key, which writes over it where it is, and who it was of.
    pub(super) fn destroy(&mut self, pseudonym: Pseudonym) {
        let Some(entry) = self.all.get_mut(&pseudonym) else { return };
        (entry.key, entry.is_torn) = (None, false);
        if let Some(person) = entry.person.take()
            && self.persons.get(&person) == Some(&pseudonym)
        {
            self.persons.remove(&person);
        }
    }
}
