//! The limits of event streams.

use std::time::Duration;

/// The limits of event streams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Delivery may use one part in this many of the processor time.
    pub(super) cpu_divisor: u32,
    /// The approximate maximum size of one text for a client, in bytes.
    pub(super) max_text: usize,
    /// The same while slow clients hold more than `pressure_bytes`.
    pub(super) min_text: usize,
    /// The bytes of text in memory above which texts become short.
    pub(super) pressure_bytes: usize,
    /// The approximate maximum size of a piece, in bytes.
    pub(super) piece_bytes: usize,
    /// The bytes of pieces that are cached for streams that have not reached them yet.
    pub(super) cached_bytes: usize,
    /// The number of pieces that are cached.
    pub(super) cached_pieces: usize,
    /// The number of pieces read from the log that are cached for each filter.
    pub(super) read_pieces: usize,
    /// A stream this many events before the end of the log is about to catch up.
    pub(super) near: u64,
    /// The number of events in one read of the log.
    pub(super) page: usize,
    /// The number of reads in progress at the same time.
    pub(super) concurrent_reads: usize,
    /// The delay before a refused read is retried.
    pub(super) retry_delay: Duration,
    /// The time between two deliveries: events committed in between are delivered as one text.
    pub(super) batch_interval: Duration,
    /// The longest time without a byte on a stream.
    pub(super) heartbeat: Duration,
}

/// The limits of the service.
pub(super) const BOUNDS: Bounds = Bounds {
    cpu_divisor: 8,
    max_text: 64 * 1024,
    min_text: 4 * 1024,
    pressure_bytes: 64 << 20,
    piece_bytes: 64 * 1024,
    cached_bytes: 16 << 20,
    cached_pieces: 8_192,
    read_pieces: 16,
    near: 8_192,
    page: 256,
    concurrent_reads: 4,
    retry_delay: Duration::from_millis(200),
    batch_interval: Duration::from_millis(10),
    heartbeat: Duration::from_secs(15),
};
