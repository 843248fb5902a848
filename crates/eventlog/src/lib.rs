//! Opaque records in order, durable when acknowledged.
//!
//! A log holds records one after the other, each at its place ([`Seq`]), for ever. It does not
//! know what a record means: the bytes go in and the same bytes come out. Two engines keep the
//! contract of [`Log`]: [`memory::MemoryLog`] and [`sled::SledLog`]; a third one, for more than
//! one machine, has to fit through the same trait and the same tests.
//!
//! Records are stored in frames ([`frame`]), chained by hash, so that a lost, changed or moved
//! record does not go unnoticed.
//!
//! ```
//! use eventlog::{AppendError, Log, Seq, memory::MemoryLog};
//!
//! let log = MemoryLog::new();
//! // The caller names the length it last saw: two writers cannot write to the same place.
//! let first = log.append(Seq(0), &[b"one".to_vec(), b"two".to_vec()], &[])?;
//! assert_eq!(first, Seq(0));
//! let behind = log.append(Seq(0), &[b"three".to_vec()], &[]);
//! assert!(matches!(behind, Err(AppendError::Conflict { length: Seq(2) })));
//!
//! // Reading begins anywhere. The length wakes a follower; the data come from `read`.
//! let records = log.read(Seq(1), 100)?;
//! assert_eq!(records[0].seq, Seq(1));
//! assert_eq!(records[0].bytes, "two");
//! assert_eq!(*log.length().borrow(), Seq(2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod engine;
mod error;
pub mod files;
pub mod frame;
mod log;
pub mod memory;
mod record;
pub mod sled;
mod store;
mod watchdog;

#[cfg(test)]
mod conforms;

pub use crate::{
    check::{CheckError, Checked},
    error::{AppendError, Broken, Cause, CloseError, Damage, DamageKind, ReadError},
    log::{Guarded, Log, Space, Wrapper},
    record::{Extra, MAX_EXTRA, MAX_EXTRA_KEY, MAX_FRAME, MAX_RECORD, MAX_SEAL, Record, Seq},
};
