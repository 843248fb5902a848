//! Server-sent events: a stream catches up with the log, then follows it.
//!
//! At most one text is buffered for a client; everything after it stays in the log. A slow reader
//! falls behind, uses no additional memory, and misses no event.

pub(crate) mod admission;
mod bounds;
mod hub;
mod message;
mod pace;
mod piece;
mod round_robin;
pub(crate) mod streams;
pub(crate) mod subscription;
pub(crate) mod topics;

#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod tests;
