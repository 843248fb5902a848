//! The requests that deleted webhooks: remembered in memory, so that a repetition is answered alike.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::idempotency::Idempotency;
use crate::webhook::Webhook;

/// The most that are remembered.
const MOST: usize = 256;

/// Webhooks that were deleted by requests with an idempotency key, the latest last.
#[derive(Default)]
pub(crate) struct Deleted(Mutex<VecDeque<Deletion>>);

/// A webhook that was deleted.
#[derive(Clone)]
pub(crate) struct Deletion {
    pub(crate) request: Idempotency,
    /// When, in microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) webhook: Arc<Webhook>,
}

impl Deleted {
    /// The last one whose request had this idempotency key.
    pub(crate) fn find(&self, key: [u8; 32]) -> Option<Deletion> {
        self.0.lock().iter().rfind(|deletion| deletion.request.key == key).cloned()
    }

    /// Remembers one, and forgets the oldest if there are too many.
    pub(crate) fn push(&self, deletion: Deletion) {
        let mut all = self.0.lock();
        all.push_back(deletion);
        if all.len() > MOST {
            all.pop_front();
        }
    }
}
