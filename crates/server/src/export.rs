//! Long answers: exports, reports and bundles, made piece by piece as the client takes them.

pub(crate) mod bundle;
pub(crate) mod events;
pub(crate) mod long;
pub(crate) mod slots;
pub(crate) mod walk;
