//! All streams of the service, as the rest of it holds them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::seat::Shared;

/// All streams of the service.
#[derive(Default)]
pub(crate) struct Streams {
    pub(super) shared: Arc<Shared>,
    /// Whether the hub runs.
    pub(super) begun: AtomicBool,
}

impl Streams {
    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.shared.open()
    }
}
