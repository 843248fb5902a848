//! The ledger: one writer that turns commands into events, and the projections of those events.
//!
//! Knows no HTTP and no JSON. Every method takes a [`Caller`].

mod answered;
mod api;
mod as_of;
#[cfg(test)]
mod as_of_tests;
mod audit;
mod batch;
mod bundling;
mod caller;
mod cancellation;
mod chain;
#[cfg(test)]
mod chain_tests;
mod clock;
mod codec;
mod command;
mod dialect;
mod evidence;
#[cfg(test)]
mod evidence_tests;
mod feed;
mod history;
mod journal;
mod ledger;
mod noted;
mod outcomes;
mod pace;
mod places;
mod pool;
mod proofs;
mod query;
mod queue;
mod quota;
mod random;
mod reached;
mod receipt;
mod record;
mod report;
#[cfg(test)]
mod report_tests;
mod row;
mod signing;
mod stalled;
mod state;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trail;
#[cfg(test)]
mod trail_tests;
mod tree;
mod usage;
mod work;
mod writer;

pub use api::{
    Change, Changed, Changes, Created, Due, Entry, Error, EventFilter, Expirations, Expiry, Held,
    KeyFilter, KeyView, NewKeyRequest, Page, RequestOptions, Rules, Verified, Walk,
};
pub use as_of::{AsOf, Moment};
pub use audit::{AuditRecord, Auditor, Decoder, Finding, Violation};
pub use bundling::manifest_text;
pub use caller::{Caller, Identity, Origin, Role, Roles, Scope, Via};
pub use cancellation::Cancellation;
pub use clock::{BeforeEpoch, Clock, SystemClock};
pub use codec::DecodeError;
pub use eventlog::{Seq, Space};
pub use evidence::Signed;
pub use feed::{Followed, Following};
pub use journal::{Access, Journal, Range, Reading};
pub use ledger::{Ledger, NotReady, OpenError, Options, Stats};
pub use noted::{InTable, KeyProof, Proved, RowProof};
pub use outcomes::OutcomeBounds;
pub use proofs::Inclusion;
pub use quota::Quotas;
pub use receipt::{Receipt, ReceiptTail};
pub use record::{Actor, Idempotency, Leaf, Link, Record};
pub use report::Holdings;
pub use row::Row;
pub use signing::{KeyChain, Signing, SigningError};
pub use state::ReplayError;
pub use tree::TreeError;
pub use usage::UsageError;

/// Reads a record from its stored bytes.
///
/// # Errors
///
/// [`DecodeError`], for bytes that no ledger wrote.
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    codec::decode(bytes, &mut codec::Interner::default())
}
