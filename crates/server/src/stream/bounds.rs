//! What streams may take.

use std::time::Duration;

/// What streams may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The part of the processors that delivery may take: one in so many.
    pub(super) share: u32,
    /// About the most bytes given to a client at once.
    pub(super) part: usize,
    /// The same when much text is held by clients who take it slowly.
    pub(super) least: usize,
    /// How many bytes of text clients may hold before that.
    pub(super) pressure: usize,
    /// About the most bytes of a piece.
    pub(super) piece: usize,
    /// How many bytes of text are held for those who may come for them.
    pub(super) held: usize,
    /// How many pieces are.
    pub(super) pieces: usize,
    /// How many pieces that were read from the log are held for each filter.
    pub(super) read_pieces: usize,
    /// A stream so many events from the log's end is soon there.
    pub(super) near: u64,
    /// Events read from the log at once.
    pub(super) page: usize,
    /// How many readings are under way at once.
    pub(super) reads: usize,
    /// How long after a reading was refused it is tried again.
    pub(super) again: Duration,
    /// How long after something was shown the next is: what comes meanwhile is one text.
    pub(super) interval: Duration,
    /// How long a stream may be silent.
    pub(super) heartbeat: Duration,
}

/// The bounds of the service.
pub(super) const BOUNDS: Bounds = Bounds {
    share: 8,
    part: 64 * 1024,
    least: 4 * 1024,
    pressure: 64 << 20,
    piece: 64 * 1024,
    held: 16 << 20,
    pieces: 8_192,
    read_pieces: 16,
    near: 8_192,
    page: 256,
    reads: 4,
    again: Duration::from_millis(200),
    interval: Duration::from_millis(10),
    heartbeat: Duration::from_secs(15),
};
