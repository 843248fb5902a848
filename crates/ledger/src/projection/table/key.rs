//! One key in the table: what it was made as, what it is now, and the record that said so last.

use std::ops::Deref;
use std::sync::Arc;

use eventlog::Seq;
use keys::{Attribute, Edit, KeyId, KeyState, NewKey, Subject, Timestamp, Update};
use parking_lot::RwLock;

use super::uses::Uses;
use crate::record::{Entry, Link, Record, Salt};
use signedlog::Leaf;

/// A key in the table. What events change lies under its own lock, held for a copy at a time.
/// Speed: what a verify looks at stands together, in front.
#[repr(C)]
pub(crate) struct Key {
    /// The key as it was made. What nothing changes may be taken from here; for the rest see
    /// [`Key::attributes`].
    pub(crate) made: Arc<NewKey>,
    pub(crate) uses: Uses,
    present: RwLock<Present>,
    pub(crate) created_at: Timestamp,
    /// That of its first record, for its row in the table's note.
    pub(crate) salt: Salt,
}

/// What events change about a key. In this order in memory too, as in [`Key`].
#[derive(Clone)]
#[repr(C)]
struct Present {
    /// `None` while it is as it was made, which most keys are for ever.
    edited: Option<Box<Edited>>,
    chained: ChainedState,
    /// Who made it; of who was erased what there is of that one still.
    created_by: Subject,
}

/// A key that was edited.
#[derive(Clone)]
struct Edited {
    current: Arc<NewKey>,
    /// The records that edited it, in their order, each with the attributes it changed.
    edits: Vec<(Seq, Box<[Attribute]>)>,
    /// The edits of its due time.
    dues: Vec<(Seq, Option<Timestamp>)>,
}

/// What events change about a key's state, and the record that did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct ChainedState {
    pub(crate) state: KeyState,
    /// Place and leaf of the last record that touched it: the head of its chain.
    pub(crate) head: (Seq, Leaf),
}

impl ChainedState {
    /// The state right after `Created`.
    pub(crate) fn created(key: &NewKey, at: Timestamp, head: (Seq, Leaf)) -> ChainedState {
        ChainedState { state: KeyState::created(key, at), head }
    }

    /// The link of a record that takes the key from this state to `after`.
    pub(crate) fn link(&self, key: KeyId, after: &KeyState, now: Timestamp) -> Link {
        Link {
            key,
            revision: after.revision,
            before: Some(self.state.status_at(now)),
            after: after.status,
            previous: Some(self.head),
        }
    }
}

/// What a key has: as it was made, or as it is after its edits. Costs no copy for a key that was
/// never edited.
pub(crate) enum Attributes<'k> {
    AsMade(&'k Arc<NewKey>),
    Edited(Arc<NewKey>),
}

impl Attributes<'_> {
    /// The same, to be kept.
    pub(crate) fn shared(self) -> Arc<NewKey> {
        match self {
            Attributes::AsMade(made) => Arc::clone(made),
            Attributes::Edited(current) => current,
        }
    }
}

impl Deref for Attributes<'_> {
    type Target = NewKey;

    fn deref(&self) -> &NewKey {
        match self {
            Attributes::AsMade(made) => made,
            Attributes::Edited(current) => current,
        }
    }
}

impl Key {
    /// The key that `record` made.
    pub(super) fn new(made: &Arc<NewKey>, record: &Record, head: (Seq, Leaf)) -> Key {
        let chained = ChainedState::created(made, record.at, head);
        Key {
            made: Arc::clone(made),
            created_at: record.at,
            salt: record.salt,
            present: RwLock::new(Present {
                chained,
                created_by: record.actor.subject.clone(),
                edited: None,
            }),
            uses: Uses::default(),
        }
    }

    pub(crate) fn state(&self) -> KeyState {
        self.present.read().chained.state
    }

    pub(crate) fn chained_state(&self) -> ChainedState {
        self.present.read().chained
    }

    /// What it has now.
    pub(crate) fn attributes(&self) -> Attributes<'_> {
        self.present().1
    }

    /// How it stands and what it has, at one moment.
    pub(crate) fn present(&self) -> (KeyState, Attributes<'_>) {
        let Present { chained, edited, .. } = &*self.present.read();
        let attributes = match edited {
            None => Attributes::AsMade(&self.made),
            Some(edited) => Attributes::Edited(Arc::clone(&edited.current)),
        };
        (chained.state, attributes)
    }

    /// How often it was edited.
    pub(super) fn edits(&self) -> usize {
        self.present.read().edited.as_ref().map_or(0, |edited| edited.edits.len())
    }

    /// What it has now, to be kept.
    pub(crate) fn current(&self) -> Arc<NewKey> {
        self.attributes().shared()
    }

    /// Who made it.
    pub(crate) fn created_by(&self) -> Subject {
        self.present.read().created_by.clone()
    }

    /// Whether it holds something that says who `subject` is.
    pub(super) fn speaks_of(&self, subject: &Subject) -> bool {
        let Present { created_by, edited, .. } = &*self.present.read();
        let is_owner = edited.as_ref().is_some_and(|edited| edited.current.owner == *subject);
        self.made.owner == *subject || *created_by == *subject || is_owner
    }

    /// Takes out what it holds of `subject`, who was erased, but for what it was made as.
    pub(super) fn erase(&self, subject: &Subject, erased: &Subject) {
        let mut present = self.present.write();
        if present.created_by == *subject {
            present.created_by = erased.clone();
        }
        if let Some(edited) = &mut present.edited
            && edited.current.owner == *subject
        {
            Arc::make_mut(&mut edited.current).erase(erased.clone());
        }
    }

    /// The same key, made for the same owner, who was erased. What was used of it is copied.
    pub(super) fn of_erased(&self, erased: &Subject) -> Key {
        let mut made = NewKey::clone(&self.made);
        made.erase(erased.clone());
        Key {
            made: Arc::new(made),
            created_at: self.created_at,
            salt: self.salt,
            present: RwLock::new(self.present.read().clone()),
            uses: self.uses.copied(),
        }
    }

    /// When it was to end after the edits among the first `length` records, but for a rotation.
    pub(crate) fn due_before(&self, length: Seq) -> Option<Timestamp> {
        let present = self.present.read();
        let dues = present.edited.as_ref().map(|edited| edited.dues.as_slice());
        let dues = dues.unwrap_or_default();
        let before = dues.partition_point(|(seq, _)| *seq < length);
        before.checked_sub(1).and_then(|last| dues.get(last)).map_or(self.made.expires_at, |l| l.1)
    }

    /// What it has now, and what of it the first `length` records had not made yet: for each
    /// attribute that was edited later the first such edit, whose value before is the one of then.
    pub(crate) fn edits_from(&self, length: Seq) -> (Attributes<'_>, Vec<(Seq, Attribute)>) {
        let present = self.present.read();
        let Some(edited) = &present.edited else {
            return (Attributes::AsMade(&self.made), Vec::new());
        };
        let later = edited.edits.partition_point(|(seq, _)| *seq < length);
        let mut first: Vec<(Seq, Attribute)> = Vec::new();
        for (seq, attributes) in edited.edits.iter().skip(later) {
            for attribute in attributes {
                if !first.iter().any(|(_, found)| found == attribute) {
                    first.push((*seq, *attribute));
                }
            }
        }
        (Attributes::Edited(Arc::clone(&edited.current)), first)
    }

    /// A record of the key as an entry of the log.
    pub(crate) fn entry(&self, seq: Seq, record: Record) -> Entry {
        let owner = Some(self.attributes().owner.clone());
        Entry { seq, record, account: self.made.account.clone(), owner }
    }

    /// Brings in a record: what changes of its state, and the edit of its attributes if it is one.
    pub(super) fn apply(
        &self,
        head: (Seq, Leaf),
        change: impl Fn(KeyState) -> KeyState,
        update: Option<&Update>,
    ) -> Transition {
        let mut present = self.present.write();
        let before = present.chained.state;
        present.chained = ChainedState { state: change(before), head };
        if update.is_some_and(|update| update.changes(Attribute::RateLimit)) {
            self.uses.forget_rate();
        }
        let states = (before, present.chained.state);
        let edited = update.map(|update| {
            let edited = present.edited.get_or_insert_with(|| Box::new(Edited::of(&self.made)));
            edited.edit(head.0, update)
        });
        Transition { states, edited }
    }
}

/// What a record changed of a key.
pub(super) struct Transition {
    /// How it stood before, and how it stands.
    pub(super) states: (KeyState, KeyState),
    /// What it had before an edit, and what it has.
    pub(super) edited: Option<(Arc<NewKey>, Arc<NewKey>)>,
}

impl Edited {
    fn of(made: &Arc<NewKey>) -> Edited {
        Edited { current: Arc::clone(made), edits: Vec::new(), dues: Vec::new() }
    }

    fn edit(&mut self, seq: Seq, update: &Update) -> (Arc<NewKey>, Arc<NewKey>) {
        let before = Arc::clone(&self.current);
        update.iter().for_each(|edit| edit.redo(Arc::make_mut(&mut self.current)));
        self.edits.push((seq, update.iter().map(Edit::attribute).collect()));
        self.dues.extend(update.expires_at().map(|due| (seq, due)));
        (before, Arc::clone(&self.current))
    }
}
