//! How long a test waits for anything.

use std::time::{Duration, Instant};

/// The longest wait for anything; only a failing test sees its end.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Looks again and again until `holds`; only a failing test sees the deadline.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
    }
}
