//! The token that a connection showed last: a cache of one entry for each connection.
//!
//! A gateway keeps its connections open and sends the same token with every request. Comparing the
//! header with the previous one replaces a SHA-256 of the token, a look-up in the cache that all
//! connections share, and a reference count that all cores write to. `benches/requests.rs` measures
//! both ways; the tests of `router` hold every reply on a reused connection equal to that on a new
//! one, and those of `auth` the tokens.

use parking_lot::Mutex;
use zeroize::Zeroizing;

/// Empty at first. The header is erased from memory when another replaces it.
pub(crate) struct LastToken<T>(Mutex<Option<Entry<T>>>);

struct Entry<T> {
    /// The whole value of `Authorization`.
    header: Zeroizing<Vec<u8>>,
    token: T,
}

impl<T> Default for LastToken<T> {
    fn default() -> LastToken<T> {
        LastToken(Mutex::new(None))
    }
}

impl<T: Clone> LastToken<T> {
    /// The token of `header`: the previous one if the header is the same and the token still
    /// `is_valid`, else the result of `check`.
    pub(crate) fn get_or_check<E>(
        &self,
        header: &[u8],
        is_valid: impl FnOnce(&T) -> bool,
        check: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut last = self.0.lock();
        if let Some(entry) = &*last
            && *entry.header == *header
            && is_valid(&entry.token)
        {
            return Ok(entry.token.clone());
        }
        *last = None;
        let token = check()?;
        let header = Zeroizing::new(header.to_vec());
        *last = Some(Entry { header, token: token.clone() });
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What verifying gives: the header and the epoch; nothing for one header.
    fn check(header: u8, epoch: u8) -> Result<(u8, u8), &'static str> {
        if header == 0 { Err("refused") } else { Ok((header, epoch)) }
    }

    proptest! {
        #[test]
        fn every_token_is_the_one_that_verifying_gives(
            requests in vec((0_u8..3, 0_u8..3), 0..50)
        ) {
            let last = LastToken::default();
            let mut before = None;
            for (header, epoch) in requests {
                let checked = Cell::new(false);
                let token = last.get_or_check(&[header], |token: &(u8, u8)| token.1 == epoch, || {
                    checked.set(true);
                    check(header, epoch)
                });
                prop_assert_eq!(token, check(header, epoch));
                prop_assert_eq!(checked.get(), token.is_err() || before != token.ok());
                before = token.ok();
            }
        }
    }
}
