//! What an auditor takes away: made from a log, and checked without it.
//!
//! A bundle is a tar file with the log's records, its tree, its signed statements, the events in
//! forms that people's tools read, and a signed manifest of all that. The layout is described in
//! `schemas/bundle.md`. [`make`] and [`verify`] are here together because they must agree on every
//! byte. What an event looks like in an export is not known here: [`Export`] says it.

mod accounts;
mod archive;
mod compare;
mod consistency;
mod judge;
mod key_proof;
mod layout;
mod make;
mod manifest;
mod opened;
mod read;
mod refused;
mod verify;

use ledger::Entry;

pub use crate::archive::{ArchiveError, Stored};
pub use crate::consistency::{Statement, extends};
pub use crate::key_proof::{KeyProved, check_key_proof};
pub use crate::make::{Fault, MakeError, Part, Source, Terms, make};
pub use crate::manifest::Scope;
pub use crate::opened::signed_statement;
pub use crate::refused::{Invalid, Refused};
pub use crate::verify::{Asked, Verified, verify};

/// A file with all events of a bundle in one form.
#[derive(Clone, Copy, Debug)]
pub struct Export {
    /// The name of the file.
    pub name: &'static str,
    /// What stands before the first event.
    pub head: &'static str,
    /// Appends an event.
    pub write: fn(&Entry, &mut Vec<u8>),
}
