//! From a command to its record: the methods of the ledger that change keys, the queue in front of
//! the writer, and the batch that it decides.

pub(crate) mod batch;
pub(crate) mod batch_size;
pub(crate) mod command;
pub(crate) mod queue;
pub(crate) mod random;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod wake_chain;
