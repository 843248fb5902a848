//! Server-sent events: a stream catches up with the log, then follows it.
//!
//! One text waits for the client at most, and the rest stays in the log: a slow reader falls
//! behind, makes no memory grow, and misses nothing.

mod bounds;
pub(crate) mod enter;
mod hub;
mod pace;
mod piece;
pub(crate) mod seat;
pub(crate) mod streams;
pub(crate) mod topics;
mod turns;

#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod tests;
