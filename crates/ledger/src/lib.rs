//! The ledger: one writer that turns commands into events, and the projections of those events.
//!
//! Knows no HTTP and no JSON. Every method takes a [`Caller`].

mod audit;
mod caller;
mod cancellation;
mod clock;
mod error;
mod expiry;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod journal;
mod keyring;
mod ledger;
mod limits;
mod monotone_clock;
mod outcome_memory;
mod page;
mod projection;
mod quota;
mod read;
mod ready;
mod record;
mod subjects;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tokens;
mod usage;
mod write;

pub use audit::{AuditRecord, Auditor, Decoder, Finding, Violation};
pub use caller::{
    AUDIT, Caller, EXPIRE, Identity, MANAGE, Origin, READ, Role, Roles, Scope, VERIFY, Via,
};
pub use cancellation::Cancellation;
pub use clock::{BeforeEpoch, Clock, SystemClock};
pub use error::Error;
pub use eventlog::{MAX_RECORD, Seq, Space};
pub use journal::{
    Answer, EndTokens, Erased, Journal, JournalOptions, MadeToken, NewToken, TokensEnded,
};
pub use keyring::{Found, Keyring, KeyringError, Mac, PersonKey};
pub use ledger::{Ledger, OpenError, Options, Stats};
pub use limits::{Limits, QuotaLeft, RateLeft};
pub use outcome_memory::OutcomeBounds;
pub use page::{Direction, Page, Walk};
pub use projection::key_view::KeyView;
pub use projection::row::Row;
pub use projection::table::{Due, KeySort, SortValue};
pub use projection::table_snapshot::{BucketProof, InTable, RowProof};
pub use quota::Quotas;
pub use read::account_proofs::{ProvedEvents, ProvedRows};
pub use read::active_periods::{ActivePeriod, ActivePeriods};
pub use read::as_of::{AsOf, Moment};
pub use read::bundling::{TableRows, account_text, manifest_text};
pub use read::count::KeyCount;
pub use read::find::{KeyPlace, KeyQuery};
pub use read::follow::{Followed, Following};
pub use read::key_filter::KeyFilter;
pub use read::key_proof::{KeyProof, Proved};
pub use read::trail::EventFilter;
pub use read::usage::{UsagePoint, UsageQuery, UsageStep};
pub use read::verify::Verified;
pub use ready::NotReady;
pub use record::access::{
    Access, AccessEvent, Erasure, Hold, HoldId, Range, Reading, Readings, RequestDigests,
};
pub use record::codec::DecodeError;
pub use record::replay::ReplayError;
pub use record::token::{OwnToken, TokenRange};
pub use record::{Actor, Entry, Idempotency, Link, Persons, Record, Salt};
pub use signedlog::{
    Consistency, Era, Heartbeat, Inclusion, IntegrityError, KeyChain, Leaf, Receipt, ReceiptTail,
    SignedRoot, Signing, SigningError, StatementError, Succession, TreeHead, Vouched, head_of,
};
pub use subjects::HoldView;
pub use tokens::{NotGood, TokenFilter, TokenPlace, TokenRow, TokenStats, TokenView, Tokens};
pub use usage::{UsageError, UsageOptions, UsageStats, VerdictCounts};
pub use write::bulk::{Bulk, BulkChanged, BulkSearch, MOST_IN_BULK, NotChanged, Selection};
pub use write::forget::Forgotten;
pub use write::import::{MOST_IN_IMPORT, NewImport};
pub use write::reply::{Changed, Created, Expirations, ImportedKey, Updated};
pub use write::request::{
    Change, Changes, Expiry, Import, KeyEdits, NewKeyRequest, RequestOptions,
};

/// Reads a record from its stored bytes.
///
/// # Errors
///
/// [`DecodeError`], for bytes that no ledger wrote.
pub fn decode(bytes: &[u8], keyring: &std::sync::Arc<Keyring>) -> Result<Record, DecodeError> {
    record::codec::decode(bytes, &mut record::codec::Interner::new(std::sync::Arc::clone(keyring)))
}
