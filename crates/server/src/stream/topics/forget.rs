//! Dropping what is cached of events as they were before a person was erased.

use super::Topics;

impl Topics {
    /// Drops every cached piece: streams that have not taken theirs yet have the log read, in which the
    /// person is erased. What a read brings that began before this is not to be cached either:
    /// [`Topics::forgotten`] tells.
    pub(in super::super) fn forget(&mut self) {
        self.forgotten += 1;
        self.missed(self.at);
        for topic in self.by_id.values_mut() {
            let read = topic.read.drain(..).map(|cached| cached.piece.len());
            self.cached_bytes -= read.sum::<usize>();
        }
        self.cached.clear();
    }
}
