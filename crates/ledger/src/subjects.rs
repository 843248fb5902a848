//! Persons that may not be forgotten, and those who were: a projection of the access journal.

use std::collections::BTreeSet;

use keys::{Pseudonym, Subject, Timestamp};
use parking_lot::Mutex;

use crate::record::access::{Access, AccessEvent, Hold};

/// A hold, and who placed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldView {
    /// The hold.
    pub hold: Hold,
    /// When it was placed.
    pub at: Timestamp,
    /// By whom.
    pub by: Subject,
}

/// Holds, and pseudonyms of those who were erased.
#[derive(Default)]
pub(crate) struct Subjects(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// In the order of having been placed.
    holds: Vec<HoldView>,
    erased: BTreeSet<Pseudonym>,
}

impl Subjects {
    /// Applies what is on record. Returns the hold that was placed or released.
    pub(crate) fn apply(&self, entry: &Access) -> Option<HoldView> {
        match &entry.event {
            AccessEvent::SubjectHeld(hold) => {
                let (at, by) = (entry.at, entry.actor.subject.clone());
                let view = HoldView { hold: hold.clone(), at, by };
                self.0.lock().holds.push(view.clone());
                Some(view)
            }
            AccessEvent::SubjectReleased(hold) => {
                let holds = &mut self.0.lock().holds;
                let place = holds.iter().position(|view| view.hold.id == hold.id);
                place.map(|place| holds.remove(place))
            }
            AccessEvent::SubjectErased(erasure) => {
                self.0.lock().erased.extend(erasure.persons.iter().copied());
                None
            }
            AccessEvent::Read(_)
            | AccessEvent::TokenMade { .. }
            | AccessEvent::TokenSeen(_)
            | AccessEvent::TokenEnded { .. }
            | AccessEvent::TokensEnded { .. } => None,
        }
    }

    /// The holds of the person behind any of `persons`, oldest first.
    pub(crate) fn holds(&self, persons: &[Pseudonym]) -> Vec<HoldView> {
        let held = self.0.lock();
        let is_of = |view: &&HoldView| view.hold.persons.iter().any(|one| persons.contains(one));
        held.holds.iter().filter(is_of).cloned().collect()
    }

    /// Whether it is on record that any of these was erased.
    pub(crate) fn is_erased(&self, persons: &[Pseudonym]) -> bool {
        let held = self.0.lock();
        persons.iter().any(|person| held.erased.contains(person))
    }

    /// How many holds there are, and how many pseudonyms of erased persons.
    pub(crate) fn count(&self) -> (usize, usize) {
        let held = self.0.lock();
        (held.holds.len(), held.erased.len())
    }

    /// What those are called who were erased.
    pub(crate) fn erased(&self) -> Vec<Pseudonym> {
        self.0.lock().erased.iter().copied().collect()
    }

    /// Takes a person out of the texts of holds of others, which it placed.
    pub(crate) fn erase(&self, subject: &Subject, pseudonym: Pseudonym) {
        for view in self.0.lock().holds.iter_mut().filter(|view| view.by == *subject) {
            view.by = Subject::erased(pseudonym);
            view.hold.reason = view.hold.reason.take().map(|_| keys::Reason::erased());
        }
    }
}
