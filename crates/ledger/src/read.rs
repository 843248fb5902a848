//! Queries: the present state from the projections, the past from the log. Nothing here writes, and
//! nothing waits for the writer.

pub(crate) mod account_proofs;
pub(crate) mod active_periods;
pub(crate) mod as_of;
#[cfg(test)]
mod as_of_tests;
pub(crate) mod bundling;
pub(crate) mod candidates;
pub(crate) mod chain;
#[cfg(test)]
mod chain_tests;
pub(crate) mod count;
pub(crate) mod dialect;
pub(crate) mod expiring;
#[cfg(test)]
mod expiring_tests;
pub(crate) mod find;
#[cfg(test)]
mod find_tests;
pub(crate) mod follow;
pub(crate) mod heartbeat;
pub(crate) mod key_filter;
pub(crate) mod key_list;
pub(crate) mod key_proof;
#[cfg(test)]
mod lists_tests;
pub(crate) mod person;
pub(crate) mod proofs;
#[cfg(test)]
mod proofs_tests;
pub(crate) mod query;
#[cfg(test)]
mod sort_tests;
pub(crate) mod table_digest;
pub(crate) mod table_note;
pub(crate) mod table_tree;
pub(crate) mod trail;
#[cfg(test)]
mod trail_tests;
pub(crate) mod until;
pub(crate) mod usage;
#[cfg(test)]
mod usage_tests;
pub(crate) mod verify;
