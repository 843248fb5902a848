//! The native API, a file for each resource.

pub(crate) mod authorize;
pub(crate) mod events;
pub(crate) mod evidence;
pub(crate) mod keys;
pub(crate) mod operations;
pub(crate) mod own_key;
pub(crate) mod report;
pub(crate) mod subjects;
pub(crate) mod tokens;
pub(crate) mod usage;
pub(crate) mod verify;
pub(crate) mod webhooks;
