//! Speed: where a key's records lie close together, those in front of the one that is read are read
//! along, because a frame is read whole anyway. `benches/tricks.rs` measures what this saves.

use eventlog::{Log, ReadError, Record, Seq};

/// How far apart records are read together; a frame holds about as many.
const WIDTH: u64 = 32;

/// The records that were read last, up to the one that was given last.
#[derive(Default)]
pub(super) struct Window(Vec<Record>);

impl Window {
    /// The record at `seq`; `None` if the log has none there.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub(super) fn record(&mut self, log: &dyn Log, seq: Seq) -> Result<Option<Record>, ReadError> {
        let last = self.0.last().map(|last| last.seq);
        self.0.retain(|record| record.seq <= seq);
        if self.0.last().is_none_or(|record| record.seq != seq) {
            // Where the one before it was near, so may the next one be.
            let near = last.is_some_and(|last| last.0.abs_diff(seq.0) < WIDTH);
            let from = if near { seq.0.saturating_sub(WIDTH - 1) } else { seq.0 };
            #[expect(clippy::cast_possible_truncation, reason = "at most `WIDTH`")]
            let limit = (seq.0 - from + 1) as usize;
            self.0 = log.read(Seq(from), limit)?;
        }
        Ok(self.0.last().filter(|record| record.seq == seq).cloned())
    }
}
