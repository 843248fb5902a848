//! Records read back from the log and decoded.

use eventlog::{Log, Seq};
use signedlog::IntegrityError;

use crate::record::Record;
use crate::record::codec::{self, DecodeError, Interner};

/// Why a log cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The records are not those that the log's tiles and its checkpoint were made of.
    #[error("{0}; restore the data directory from a backup")]
    Integrity(IntegrityError),
    /// The log cannot be read, or its tiles cannot be written.
    #[error(transparent)]
    Log(signedlog::ReplayError),
    /// A stored record cannot be decoded.
    #[error("record {seq} is damaged: {source}; restore the data directory from a backup")]
    Record {
        /// Its place.
        seq: Seq,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The system refused a thread.
    #[error("no thread for the writer")]
    Thread(#[from] std::io::Error),
}

impl From<signedlog::ReplayError> for ReplayError {
    fn from(error: signedlog::ReplayError) -> ReplayError {
        match error {
            signedlog::ReplayError::Integrity(error) => ReplayError::Integrity(error),
            signedlog::ReplayError::Thread(error) => ReplayError::Thread(error),
            error @ (signedlog::ReplayError::Read(_)
            | signedlog::ReplayError::Ended { .. }
            | signedlog::ReplayError::Tiles(_)
            | signedlog::ReplayError::Mend(_)) => ReplayError::Log(error),
        }
    }
}

/// A record read back.
pub(crate) struct Read {
    pub(crate) seq: Seq,
    pub(crate) record: Record,
}

/// Reads and decodes up to `limit` records from `from` on.
pub(crate) fn read(
    log: &dyn Log,
    from: Seq,
    limit: usize,
    interner: &mut Interner,
) -> Result<Vec<Read>, ReplayError> {
    let read = log.read(from, limit).map_err(signedlog::ReplayError::Read)?;
    let decoded = read.iter().map(|stored| {
        let record = decode(stored, interner)?;
        Ok(Read { seq: stored.seq, record })
    });
    decoded.collect()
}

/// Decodes a record as it was read, see [`codec::decode_own`].
pub(crate) fn decode_own(
    stored: &eventlog::Record,
    interner: &mut Interner,
) -> Result<Record, ReplayError> {
    codec::decode_own(&stored.bytes, interner)
        .map_err(|source| ReplayError::Record { seq: stored.seq, source })
}

/// Decodes a record as it was read.
pub(crate) fn decode(
    stored: &eventlog::Record,
    interner: &mut Interner,
) -> Result<Record, ReplayError> {
    codec::decode(&stored.bytes, interner)
        .map_err(|source| ReplayError::Record { seq: stored.seq, source })
}
