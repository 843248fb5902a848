//! Speed: random bytes are fetched for many records at a time, with one system call instead of one
//! for each. `benches/tricks.rs` measures what this saves.

use crate::error::Error;

/// How many salts are fetched at a time.
pub(super) const MANY: usize = 64;

/// Random bytes for the salts of a batch's records.
pub(super) struct Salts {
    pool: [[u8; 12]; MANY],
    left: usize,
}

impl Default for Salts {
    fn default() -> Salts {
        Salts { pool: [[0; 12]; MANY], left: 0 }
    }
}

impl Salts {
    /// Random bytes that no record has yet.
    ///
    /// # Errors
    ///
    /// A fault: the system gives no random bytes.
    pub(super) fn next(&mut self) -> Result<[u8; 12], Error> {
        if self.left == 0 {
            getrandom::fill(self.pool.as_flattened_mut()).map_err(Error::fault)?;
            self.left = MANY;
        }
        self.left -= 1;
        #[expect(clippy::indexing_slicing, reason = "`left` is below the length of the pool")]
        Ok(self.pool[self.left])
    }
}
