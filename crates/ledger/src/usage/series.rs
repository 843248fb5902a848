//! Whose uses are counted: a key's, an account's, everybody's.

use keys::{Account, KeyId};
use sha2::{Digest as _, Sha256};

/// Names one series of counts: a UUID (RFC 9562), so that no name stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SeriesId([u8; 16]);

impl SeriesId {
    /// The sums of all accounts: the "max" UUID (§5.10).
    pub(crate) const ALL: SeriesId = SeriesId([0xFF; 16]);

    /// The counts of a key: its own id, a `UUIDv7`.
    pub(crate) fn of_key(key: KeyId) -> SeriesId {
        SeriesId(key.to_bytes())
    }

    /// The sums of an account: a `UUIDv8` (§5.8) made of the SHA-256 of its name, which no key has.
    #[expect(clippy::expect_used, reason = "a digest has 32 bytes")]
    pub(crate) fn of_account(account: &Account) -> SeriesId {
        let digest: [u8; 32] = Sha256::digest(account.as_str()).into();
        let mut id: [u8; 16] = *digest.first_chunk().expect("16 of 32 bytes");
        for (byte, mask, bits) in [(6, 0x0F, 0x80), (8, 0x3F, 0x80)] {
            if let Some(byte) = id.get_mut(byte) {
                *byte = *byte & mask | bits;
            }
        }
        SeriesId(id)
    }

    /// The key with these counts, if they are a key's.
    pub(crate) fn key(self) -> KeyId {
        KeyId::from_bytes(self.0)
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> SeriesId {
        SeriesId(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_account_has_the_id_of_a_key() {
        let acme = SeriesId::of_account(&Account::new("acme").unwrap()).to_bytes();
        let other = SeriesId::of_account(&Account::new("other").unwrap()).to_bytes();
        assert_ne!(acme, other);
        for id in [acme, other] {
            assert_eq!((id[6] >> 4, id[8] >> 6), (8, 2));
        }
    }
}
