//! Connections and the request layer. It knows routes as values, and no resource and no dialect.

pub(crate) mod admission;
pub(crate) mod connection;
pub(crate) mod error_form;
pub(crate) mod fast_path;
pub(crate) mod head_timer;
pub(crate) mod peer;
pub(crate) mod request_id;
pub(crate) mod route;
pub(crate) mod serve;
pub(crate) mod service;
pub(crate) mod unreadable;
