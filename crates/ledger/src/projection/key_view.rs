//! A key as it is shown.

use std::sync::Arc;

use keys::{KeyState, NewKey, Status, Subject, Timestamp};

use crate::projection::table::Key;

/// A key as it is.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// What never changes.
    pub key: Arc<NewKey>,
    /// What does, as recorded.
    pub state: KeyState,
    /// The status as it is at the moment of the answer.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Subject,
    /// When it was last used, as far as counted.
    pub last_used_at: Option<Timestamp>,
}

impl KeyView {
    /// `key` in `state`, its status as it is at `now`.
    pub(crate) fn new(key: &Key, state: KeyState, now: Timestamp) -> KeyView {
        KeyView {
            key: Arc::clone(&key.made),
            state,
            status: state.status_at(now),
            created_at: key.created_at,
            created_by: key.created_by.clone(),
            last_used_at: key.uses.last(),
        }
    }
}
