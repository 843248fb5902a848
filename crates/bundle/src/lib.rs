//! Audit bundles: produced from a log, and verified offline.
//!
//! A bundle is a tar file with the log's records, its tree, its signed statements, exports of the
//! events for other tools, and a signed manifest. The layout is described in `schemas/bundle.md`.
//! [`Maker`] and [`verify()`] are in one crate because they must agree on every byte. The form of an
//! event in an export is given by [`Exports`].

mod account_note;
mod account_proofs;
mod accounts;
mod archive;
mod compare;
mod consistency;
mod freshness;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod judge;
mod key_proof;
mod layout;
mod limits;
mod lineage;
mod make;
mod maker;
mod manifest;
mod measured;
mod names;
mod opened;
mod outside;
mod part;
mod persons;
mod proved;
mod read;
mod refused;
mod source;
mod stamped;
mod verify;
mod walk;
mod witnessed;

use ledger::Entry;

pub use crate::account_proofs::{EventsProved, RowsProved, check_event_proofs, check_row_proofs};
pub use crate::archive::{ArchiveError, Stored};
pub use crate::consistency::{Statement, extends};
pub use crate::freshness::Beat;
pub use crate::key_proof::{KeyProved, check_key_proof};
pub use crate::limits::limits_text;
pub use crate::lineage::{explained, key_chain, not_rolled_back};
pub use crate::make::make;
pub use crate::maker::Maker;
pub use crate::manifest::Scope;
pub use crate::opened::signed_statement;
pub use crate::outside::{OutsideTime, Placed};
pub use crate::refused::{Invalid, Refused};
pub use crate::source::{Fault, MakeError, Part, RowPlace, Source, Terms};
pub use crate::stamped::Stamped;
pub use crate::verify::{Trust, Verified, verify};
pub use crate::witnessed::{Witnessed, moment, same_log};
pub use persons::{parse_persons, persons_text};

/// The exports: files with all events of a bundle, each in another format.
#[derive(Clone, Copy, Debug)]
pub struct Exports {
    /// Their names.
    pub names: [&'static str; 3],
    /// The header of each, before the first event.
    pub heads: [&'static str; 3],
    /// Appends an event to each.
    pub write: fn(&Entry, &mut [Vec<u8>; 3]),
}
