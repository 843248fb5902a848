//! Random bytes for one key: its id and its secret seldom take more than one call of the system.

use zeroize::Zeroizing;

/// What an id and a secret take, unless the secret is unlucky.
const AT_ONCE: usize = 80;

/// Erased from memory when dropped.
#[derive(Default)]
pub(crate) struct Random {
    fetched: Zeroizing<Vec<u8>>,
    /// Why there were no random bytes. Then none that were given count.
    pub(crate) failed: Option<getrandom::Error>,
}

impl Random {
    /// Fills `buffer`.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) {
        if self.fetched.len() < buffer.len() {
            // Of its full length from the start: a vector that grows leaves copies behind.
            self.fetched = Zeroizing::new(vec![0; AT_ONCE.max(buffer.len())]);
            self.failed = self.failed.take().or(getrandom::fill(&mut self.fetched).err());
        }
        let rest = self.fetched.len() - buffer.len();
        for (place, byte) in buffer.iter_mut().zip(self.fetched.drain(rest..)) {
            *place = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_come_twice() {
        let mut random = Random::default();
        let mut seen = std::collections::BTreeSet::new();
        for length in [10, 64, 64, 16, 200, 10] {
            let mut buffer = vec![0; length];
            random.fill(&mut buffer);
            for piece in buffer.chunks_exact(8) {
                assert!(seen.insert(piece.to_vec()), "{piece:?}");
            }
        }
        assert!(random.failed.is_none());
    }
}
