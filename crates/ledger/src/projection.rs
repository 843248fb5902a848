//! What is projected from the log: pure functions of the records that were applied.

pub(crate) mod buckets;
pub(crate) mod feed;
pub(crate) mod heartbeat;
pub(crate) mod history;
pub(crate) mod key_view;
pub(crate) mod outcomes;
pub(crate) mod places;
pub(crate) mod row;
pub(crate) mod state;
pub(crate) mod table;
pub(crate) mod table_snapshot;
