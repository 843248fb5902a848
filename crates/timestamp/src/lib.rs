//! Time-stamps of RFC 3161: what is sent to a time-stamping authority, and what its answer proves.
//!
//! [`request()`] builds the request; [`Stamp::parse`] reads an answer, [`Stamp::is_over`] and
//! [`Stamp::is_signed`] check it as who requested it, and [`Stamp::is_trusted`] as who trusts an
//! authority's root and nothing else, offline, at any later time: a certificate has to be good at the
//! moment that was stamped. Nothing here reads a clock, a file or the network.

mod algorithms;
mod attributes;
mod certificate;
mod fields;
mod info;
mod invalid;
mod moment;
mod oids;
mod request;
mod roots;
mod stamp;
mod token;

pub use crate::invalid::Invalid;
pub use crate::request::request;
pub use crate::roots::{InvalidRoots, Roots};
pub use crate::stamp::{MAX_BYTES, Stamp};
