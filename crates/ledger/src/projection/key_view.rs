//! A key as it is shown.

use std::sync::Arc;

use keys::{KeyState, NewKey, Status, Subject, Timestamp};

use crate::projection::table::Key;

/// A key as it is.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// What it has at that moment.
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
    /// `key` as it is, its status as of `now`.
    pub(crate) fn present(key: &Key, now: Timestamp) -> KeyView {
        let (state, attributes) = key.present();
        KeyView::new(key, (state, attributes.shared()), now)
    }

    /// `key` with this state and these attributes, its status as it is at `now`.
    pub(crate) fn new(
        key: &Key,
        (state, attributes): (KeyState, Arc<NewKey>),
        now: Timestamp,
    ) -> KeyView {
        KeyView {
            key: attributes,
            state,
            status: state.status_at(now),
            created_at: key.created_at,
            created_by: key.created_by(),
            last_used_at: key.uses.last(),
        }
    }
}
