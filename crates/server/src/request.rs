//! What a request says: its caller, path, query, headers and body, each read in one way.

pub(crate) mod as_of;
pub(crate) mod authenticated;
pub(crate) mod body;
pub(crate) mod change;
pub(crate) mod context;
pub(crate) mod cursor;
pub(crate) mod entity_tag;
pub(crate) mod extract;
pub(crate) mod forwarded;
pub(crate) mod key_cursor;
pub(crate) mod key_filter;
pub(crate) mod negotiate;
pub(crate) mod page;
pub(crate) mod parameters;
pub(crate) mod reading;
