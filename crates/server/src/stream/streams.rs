//! The handle on all streams that the application state holds.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::subscription::Shared;

/// All streams of the service.
#[derive(Default)]
pub(crate) struct Streams {
    pub(super) shared: Arc<Shared>,
    /// Whether the hub was started.
    pub(super) hub_started: AtomicBool,
}

impl Streams {
    /// Drops every cached text, after a person was erased whom it may name.
    pub(crate) fn forget(&self) {
        self.shared.inbox.lock().forget = true;
        self.shared.changed.notify_one();
    }

    /// The number of open streams.
    pub(crate) fn open(&self) -> usize {
        self.shared.open()
    }
}
