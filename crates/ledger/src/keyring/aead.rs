//! Sealing under the key of a person: AES-256-GCM (NIST SP 800-38D).
//!
//! A key seals at most one text under a nonce, which is the random salt of a record: of 2^32 records
//! of one person two have the same with a chance of 2^-33.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::PersonKey;

/// A key made ready to seal and open, which costs as much as to open one text.
pub(crate) struct Cipher(LessSafeKey);

impl PersonKey {
    #[expect(clippy::expect_used, reason = "a key has 32 bytes")]
    fn cipher(&self) -> Cipher {
        let key = UnboundKey::new(&AES_256_GCM, self.as_bytes()).expect("32 bytes are a key");
        Cipher(LessSafeKey::new(key))
    }

    /// Seals `bytes` in place; the tag of 16 bytes is appended.
    #[expect(clippy::expect_used, reason = "only 64 GiB are too much for one text")]
    pub(crate) fn seal(&self, nonce: &[u8; 12], bytes: &mut Vec<u8>) {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let sealed = self.cipher().0.seal_in_place_append_tag(nonce, Aad::empty(), bytes);
        sealed.expect("a record is short");
    }

    /// [`Cipher::open`], for one text.
    pub(crate) fn open(&self, nonce: &[u8; 12], sealed: &[u8]) -> Option<Vec<u8>> {
        self.cipher().open(nonce, sealed)
    }
}

impl Cipher {
    /// What was sealed; `None` if it was not sealed with this key and nonce.
    pub(crate) fn open(&self, nonce: &[u8; 12], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.0.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

/// The key that was used last, made ready: many records in a row speak of one person.
#[derive(Default)]
pub(crate) struct LastCipher(Option<(PersonKey, Cipher)>);

impl LastCipher {
    /// That key, made ready.
    pub(crate) fn of(&mut self, key: &PersonKey) -> &Cipher {
        if self.0.as_ref().is_some_and(|(last, _)| last != key) {
            self.0 = None;
        }
        let (_, cipher) = self.0.get_or_insert_with(|| (key.clone(), key.cipher()));
        cipher
    }
}
