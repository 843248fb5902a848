//! The values in the floor's responses: constants, as long as real ones.

/// The time, in the native API's format.
pub(super) const MICROS: &str = "2026-01-02T03:04:05.000000Z";
/// The time, to the millisecond.
pub(super) const MILLIS: &str = "2026-01-02T03:04:05.000Z";
/// The time, to the second.
pub(super) const SECONDS: &str = "2026-01-02T03:04:05Z";
/// A secret.
pub(super) const SECRET: &str = "kl_live_0123456789ABCDEFGHIJKLMNOPabcdef";

/// An id.
pub(super) fn id(number: u64) -> String {
    format!("01234567-89ab-7def-8123-{number:012x}")
}
