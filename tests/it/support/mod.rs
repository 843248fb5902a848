//! What the tests share.

mod client;
pub(crate) mod document;
mod exchange;
pub(crate) mod gateway;
pub(crate) mod issuer;
mod program;
mod script;
mod service;
mod stream;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use client::{Answer, Client};
pub(crate) use exchange::{shown, text, told};
pub(crate) use program::{Program, keyledger, wait};
pub(crate) use script::{Script, check};
pub(crate) use service::{Service, Stopped};
pub(crate) use stream::Stream;

/// The longest wait for anything; only a failing test sees its end.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Looks again and again until `holds`; only a failing test sees the deadline.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
    }
}

/// Writes a file that its owner alone may read.
pub(crate) fn write_secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// A generator of numbers that look random and are the same for the same seed (`SplitMix64`).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}
