//! Ids of messages: the same for every attempt, and for nothing else.

use keys::{KeyId, Timestamp};
use ledger::{Ledger, Seq};
use sha2::{Digest as _, Sha256};

use crate::webhooks::event_kinds::EXPIRING;

/// That of an event: the log, and its place there.
pub(super) fn of_event(ledger: &Ledger, seq: Seq) -> Result<String, ledger::Error> {
    Ok(format!("{}_{}", origin_hash(ledger)?, seq.0))
}

/// That of a reminder: the log, the key, its end, and how many days before.
pub(super) fn of_reminder(
    ledger: &Ledger,
    key: KeyId,
    at: Timestamp,
    days: u16,
) -> Result<String, ledger::Error> {
    Ok(format!("{}_{EXPIRING}_{key}_{}_{days}", origin_hash(ledger)?, at.micros()))
}

/// Names the log: the first 8 bytes of the SHA-256 of its origin, in hexadecimal digits.
fn origin_hash(ledger: &Ledger) -> Result<String, ledger::Error> {
    let hash = Sha256::digest(ledger.signing_keys()?.newest().name());
    Ok(hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
