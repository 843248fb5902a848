//! What can happen to a key.

use std::sync::Arc;

use crate::key::NewKey;
use crate::time::Timestamp;
use crate::update::Update;
use crate::words::words;

/// Something that happened to a key. Past tense: it cannot be refused any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The key came to be, enabled. When it names a key it replaces, that one is touched too.
    Created(Arc<NewKey>),
    /// The key was switched back on.
    Enabled,
    /// The key was switched off; it may be enabled again.
    Disabled,
    /// The key's time ran out, or its owner ended it early (`due` is `None`).
    Expired {
        /// When its time ran out.
        due: Option<Timestamp>,
    },
    /// The key was withdrawn; nothing can follow.
    Revoked(Revocation),
    /// Some of the key's attributes changed.
    Updated(Arc<Update>),
}

words!(
    /// An event's type, without what it carries.
    EventKind {
        /// See [`Event::Created`].
        Created = "created",
        /// See [`Event::Enabled`].
        Enabled = "enabled",
        /// See [`Event::Disabled`].
        Disabled = "disabled",
        /// See [`Event::Expired`].
        Expired = "expired",
        /// See [`Event::Revoked`].
        Revoked = "revoked",
        /// See [`Event::Updated`].
        Updated = "updated",
    }
);

impl Event {
    /// The event's type.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match self {
            Event::Created(_) => EventKind::Created,
            Event::Enabled => EventKind::Enabled,
            Event::Disabled => EventKind::Disabled,
            Event::Expired { .. } => EventKind::Expired,
            Event::Revoked(_) => EventKind::Revoked,
            Event::Updated(_) => EventKind::Updated,
        }
    }
}

/// The details of a revocation, beyond its reason in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Revocation {
    /// The reason as a code.
    pub code: Option<ReasonCode>,
    /// Since when the key may have been in wrong hands.
    pub compromised_since: Option<Timestamp>,
}

words!(
    /// Why a key was withdrawn.
    ReasonCode {
        /// Somebody else may know it.
        Compromised = "compromised",
        /// Another key took its place.
        Superseded = "superseded",
        /// Nobody uses it.
        Unused = "unused",
        /// Its owner is gone.
        OwnerLeft = "owner_left",
        /// A rule of the house asks for it.
        Policy = "policy",
        /// Something else.
        Other = "other",
    }
);
