//! A key's state: the part of it that events change, folded from them.

use crate::event::Event;
use crate::id::KeyId;
use crate::key::NewKey;
use crate::time::Timestamp;
use crate::words::words;

words!(
    /// The four states of a key.
    Status {
        /// It may be used.
        Enabled = "enabled",
        /// It may not, for the time being.
        Disabled = "disabled",
        /// Its time ran out.
        Expired = "expired",
        /// It was withdrawn.
        Revoked = "revoked",
    }
);

impl Status {
    /// Whether time still matters: an enabled or disabled key can expire.
    #[must_use]
    pub fn is_alive(self) -> bool {
        matches!(self, Status::Enabled | Status::Disabled)
    }
}

/// A key's state after some of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// The status as recorded. See [`KeyState::status_at`] for the status as it is.
    pub status: Status,
    /// How many records touched the key: 1 after its creation.
    pub revision: u32,
    /// Its due time, which an edit may have moved and a rotation may have brought forward.
    pub expires_at: Option<Timestamp>,
    /// When the last record touched it.
    pub updated_at: Timestamp,
    /// The key that took its place.
    pub replaced_by: Option<KeyId>,
}

impl KeyState {
    /// The state after `Created` at `at`.
    #[must_use]
    pub fn created(key: &NewKey, at: Timestamp) -> KeyState {
        KeyState {
            status: Status::Enabled,
            revision: 1,
            expires_at: key.expires_at,
            updated_at: at,
            replaced_by: None,
        }
    }

    /// The state after another event of this key. `Created` of a key that exists changes nothing:
    /// the decider never makes it.
    #[must_use]
    pub fn after(self, event: &Event, at: Timestamp) -> KeyState {
        let mut expires_at = self.expires_at;
        let status = match event {
            Event::Created(_) => return self,
            Event::Updated(update) => {
                expires_at = update.expires_at().unwrap_or(expires_at);
                self.status
            }
            Event::Enabled => Status::Enabled,
            Event::Disabled => Status::Disabled,
            Event::Expired { .. } => Status::Expired,
            Event::Revoked(_) => Status::Revoked,
        };
        KeyState { status, revision: self.revision + 1, expires_at, updated_at: at, ..self }
    }

    /// The state after the key `by` took this one's place, which stays valid until `until`.
    #[must_use]
    pub fn replaced(self, by: KeyId, until: Timestamp, at: Timestamp) -> KeyState {
        let expires_at = self.expires_at.map_or(until, |own| own.min(until));
        KeyState {
            revision: self.revision + 1,
            expires_at: Some(expires_at),
            updated_at: at,
            replaced_by: Some(by),
            ..self
        }
    }

    /// Whether the key's time has run out at `now` though no event says so yet.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.status.is_alive() && self.expires_at.is_some_and(|due| due <= now)
    }

    /// The status as it is at `now`: a due key is expired, whether or not that is on record.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> Status {
        if self.is_due(now) { Status::Expired } else { self.status }
    }

    /// Whether the key counts for a cap at `now`: enabled or disabled, and not due.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.status_at(now).is_alive()
    }
}
