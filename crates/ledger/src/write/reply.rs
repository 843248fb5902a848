//! What a command answers.

use keys::{KeyId, Secret, Timestamp};

use crate::projection::key_view::KeyView;
use crate::record::Entry;

/// The outcome of a create or a rotation.
#[derive(Debug)]
pub struct Created {
    /// The new key, as it was right after.
    pub key: KeyView,
    /// Its text. `None` for a dry run, and for a replay that came too late.
    pub secret: Option<Secret>,
    /// Its event; `None` for a dry run.
    pub entry: Option<Entry>,
    /// Whether this is the recorded outcome of an earlier request.
    pub replayed: bool,
}

/// The outcome of a change.
#[derive(Debug)]
pub struct Changed {
    /// The key, as it was right after.
    pub key: KeyView,
    /// The event. For a dry run the one that would be recorded, at the place it would have.
    pub entry: Entry,
    /// Whether it was recorded: `false` for a dry run.
    pub recorded: bool,
    /// Whether this is the recorded outcome of an earlier request.
    pub replayed: bool,
}

/// The outcome of an edit.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "moved once, into the answer")]
pub enum Updated {
    /// Something changed, and is recorded.
    Changed(Changed),
    /// The key is as it was wanted already.
    Unchanged(KeyView),
}

/// An imported key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportedKey {
    /// Its id. Of a dry run, one that no key will have, unless it was there before.
    pub id: KeyId,
    /// Whether it was there: the same was imported before.
    pub repeated: bool,
}

/// The outcome of expiring what is due.
#[derive(Debug, Default)]
pub struct Expirations {
    /// The keys, soonest due first.
    pub expired: Vec<KeyId>,
    /// Whether more is due.
    pub more: bool,
    /// When the next key is due.
    pub next_due: Option<Timestamp>,
    /// Whether this is the recorded outcome of an earlier request.
    pub replayed: bool,
}
