//! A witness of transparency logs (c2sp.org/tlog-witness): it cosigns a checkpoint only if that
//! extends everything it has cosigned of the log before.
//!
//! [`judge`](judge::judge) is the rule, a pure function. A [`Witness`] has a key and a file for each
//! log, which is on stable storage before an answer is given, so that neither a crash nor a restart
//! makes it sign a fork. [`serve()`] answers over HTTP.

pub mod judge;
mod serve;
mod store;
mod witness;

pub use serve::{Limits, serve};
pub use store::{OpenError, Store};
pub use witness::{Now, Reply, Witness};
