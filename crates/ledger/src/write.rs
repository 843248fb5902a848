//! From a command to its record: the methods of the ledger that change keys, the queue in front of
//! the writer, and the batch that it decides.

pub(crate) mod batch;
pub(crate) mod batch_size;
pub(crate) mod bulk;
pub(crate) mod catch_up;
pub(crate) mod change;
pub(crate) mod create;
pub(crate) mod expire_due;
pub(crate) mod forget;
pub(crate) mod import;
#[cfg(test)]
mod import_tests;
pub(crate) mod job;
pub(crate) mod own_key;
#[cfg(test)]
mod own_key_tests;
pub(crate) mod queue;
pub(crate) mod random;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod rotate;
pub(crate) mod update;
pub(crate) mod wake_chain;
#[cfg(test)]
mod wake_chain_tests;
pub(crate) mod writer;
