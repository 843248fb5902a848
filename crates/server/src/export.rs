//! Long responses: exports, reports and bundles, produced piece by piece as the client reads them.

pub(crate) mod bundle;
pub(crate) mod events;
pub(crate) mod long;
pub(crate) mod person;
pub(crate) mod slots;
pub(crate) mod walk;
