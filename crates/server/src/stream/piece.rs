//! Pieces: the messages of consecutive events, serialized once and shared by all streams that send
//! them.
//!
//! axum's `Sse` serializes every event once for each stream. Here a thousand streams with the same
//! filter send the same bytes. `benches/wire.rs` measures both ways; the tests of `message` hold each
//! message equal to the one that axum makes, and those of `stream` each stream equal to a replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use ledger::Seq;

/// The total bytes of these texts in memory, including those held by connections.
#[derive(Clone, Default)]
pub(super) struct Meter(Arc<AtomicUsize>);

impl Meter {
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A text that is counted until its last reference is dropped.
struct Metered {
    text: Box<[u8]>,
    meter: Meter,
}

impl AsRef<[u8]> for Metered {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.meter.0.fetch_sub(self.text.len(), Ordering::Relaxed);
    }
}

/// A piece under construction.
pub(super) struct PieceBuilder {
    from: Seq,
    text: Vec<u8>,
    starts: Vec<(Seq, usize)>,
}

impl PieceBuilder {
    /// An empty piece that begins at `from`.
    pub(super) fn new(from: Seq) -> PieceBuilder {
        PieceBuilder { from, text: Vec::new(), starts: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Adds an event that is already serialized.
    pub(super) fn push(&mut self, seq: Seq, text: &[u8]) {
        self.starts.push((seq, self.text.len()));
        self.text.extend_from_slice(text);
    }

    /// Adds an event that `write` serializes.
    pub(super) fn push_with(&mut self, seq: Seq, write: impl FnOnce(&mut Vec<u8>)) {
        self.starts.push((seq, self.text.len()));
        write(&mut self.text);
    }

    /// The piece, which holds all matching events before `until`.
    pub(super) fn finish(self, until: Seq, meter: &Meter) -> Piece {
        let text = self.text.into_boxed_slice();
        meter.0.fetch_add(text.len(), Ordering::Relaxed);
        let text = Bytes::from_owner(Metered { text, meter: meter.clone() });
        Piece { from: self.from, until, text, starts: self.starts.into() }
    }
}

/// The events of one topic in one range of the log.
pub(super) struct Piece {
    from: Seq,
    until: Seq,
    text: Bytes,
    /// The place of each event in the log, and the offset of its text.
    starts: Box<[(Seq, usize)]>,
}

impl Piece {
    /// Whether `next` is in its range.
    pub(super) fn covers(&self, next: Seq) -> bool {
        self.from <= next && next < self.until
    }

    pub(super) fn until(&self) -> Seq {
        self.until
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whole events from `next` on, about `limit` bytes but at least one event, and the place after
    /// them. Empty if there are none.
    pub(super) fn after(&self, next: Seq, limit: usize) -> (Bytes, Seq) {
        let first = self.starts.partition_point(|(seq, _)| *seq < next);
        let Some((_, begin)) = self.starts.get(first) else { return (Bytes::new(), self.until) };
        let fits = self.starts.partition_point(|(_, start)| *start <= begin + limit);
        // The last event that begins within the limit may end after it.
        let last = if self.len() <= begin + limit { fits } else { fits.saturating_sub(1) };
        match self.starts.get(last.max(first + 1)) {
            Some((seq, end)) => (self.text.slice(begin..end), *seq),
            None => (self.text.slice(begin..), self.until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(meter: &Meter) -> Piece {
        let mut builder = PieceBuilder::new(Seq(5));
        for (seq, text) in [(7, "seven"), (8, "eight"), (12, "twelve")] {
            builder.push(Seq(seq), text.as_bytes());
        }
        builder.finish(Seq(20), meter)
    }

    #[test]
    fn a_part_of_a_piece_is_whole_events() {
        let piece = piece(&Meter::default());
        let table = [
            (0, 100, "seveneighttwelve", 20),
            (7, 16, "seveneighttwelve", 20),
            (7, 15, "seveneight", 12),
            (7, 10, "seveneight", 12),
            (7, 9, "seven", 8),
            (7, 0, "seven", 8),
            (8, 11, "eighttwelve", 20),
            (8, 10, "eight", 12),
            (9, 0, "twelve", 20),
            (12, 3, "twelve", 20),
            (13, 100, "", 20),
        ];
        for (next, limit, text, place) in table {
            let (part, after) = piece.after(Seq(next), limit);
            assert_eq!((&part[..], after), (text.as_bytes(), Seq(place)), "{next} {limit}");
        }
        assert!(piece.covers(Seq(5)) && piece.covers(Seq(19)));
        assert!(!piece.covers(Seq(4)) && !piece.covers(Seq(20)));
    }

    #[test]
    fn a_text_counts_as_long_as_somebody_holds_it() {
        let meter = Meter::default();
        let piece = piece(&meter);
        assert_eq!(meter.bytes(), 16);
        let (part, _) = piece.after(Seq(8), 5);
        drop(piece);
        assert_eq!(meter.bytes(), 16);
        drop(part);
        assert_eq!(meter.bytes(), 0);
    }
}
