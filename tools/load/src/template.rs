//! Request bytes with a hole that each request fills in anew.

use std::ops::Range;

use anyhow::{Context, Result};
use memchr::memmem;

/// Request bytes with a hole.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    hole: Range<usize>,
}

impl Template {
    /// The hole is the last place of `mark` in `bytes`.
    pub(crate) fn new(bytes: Vec<u8>, mark: &str) -> Result<Template> {
        let start = memmem::rfind(&bytes, mark.as_bytes()).context("no hole to fill")?;
        Ok(Template { bytes, hole: start..start + mark.len() })
    }

    /// The bytes with `value`, as long as the hole, in it.
    #[expect(clippy::expect_used, reason = "`new` found the hole inside the bytes")]
    pub(crate) fn filled(&mut self, value: &[u8]) -> &[u8] {
        let hole = self.bytes.get_mut(self.hole.clone()).expect("the hole is inside the bytes");
        hole.copy_from_slice(value);
        &self.bytes
    }
}

/// The name of a created key; all names have the same length.
pub(crate) fn key_name(connection: usize, turn: usize) -> String {
    format!("load-{:05}-{:09}", connection % 100_000, turn % 1_000_000_000)
}
