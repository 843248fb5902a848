//! The keys of notes: signers and the text form of verifier keys.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature as Ed25519Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::{Signature, Verified, timestamped};
use crate::text::{decode_base64, encode_base64, is_key_name};

/// What a key signs, and how; part of its id (c2sp.org/signed-note, "Signature types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// 0x01: Ed25519 over the note's text.
    Ed25519,
    /// 0x04: the timestamped cosignature of a witness, see [`cosignature`](crate::cosignature).
    Cosignature,
}

impl Algorithm {
    fn byte(self) -> u8 {
        match self {
            Algorithm::Ed25519 => 0x01,
            Algorithm::Cosignature => 0x04,
        }
    }
}

/// Why there is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A name is not empty and has no space, plus or control character.
    #[error("a key's name has no space, plus or control character and is not empty")]
    Name,
    /// Not `<name>+<8 hex digits>+<base64>`.
    #[error("not a verifier key")]
    Malformed,
    /// Neither Ed25519 nor its cosignature.
    #[error("a key of an unknown algorithm")]
    Algorithm,
    /// The id in the text is not the one that name and key make.
    #[error("the key's id does not fit its name and bytes")]
    Id,
    /// The bytes are no Ed25519 public key, or one of the few that anybody can sign for.
    #[error("not a sound ed25519 public key")]
    PublicKey,
}

/// A key that verifies: a name, an algorithm, a public key. Its text form is
/// `<name>+<8 hex key id>+<base64(algorithm ‖ public key)>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    algorithm: Algorithm,
    id: u32,
    key: VerifyingKey,
}

impl VerifierKey {
    /// The key with this name and public key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] or [`KeyError::PublicKey`].
    pub fn new(
        name: &str,
        algorithm: Algorithm,
        public_key: &[u8; 32],
    ) -> Result<VerifierKey, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| KeyError::PublicKey)?;
        if key.is_weak() {
            return Err(KeyError::PublicKey);
        }
        Ok(VerifierKey::of(name, algorithm, key))
    }

    fn of(name: &str, algorithm: Algorithm, key: VerifyingKey) -> VerifierKey {
        let hash = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', algorithm.byte()])
            .chain_update(key.as_bytes())
            .finalize();
        let id = hash.iter().take(4).fold(0, |id, byte| id << 8 | u32::from(*byte));
        VerifierKey { name: name.to_owned(), algorithm, id, key }
    }

    /// The name, for a log's key its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the key signs, and how.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// SHA-256(name ‖ 0x0A ‖ algorithm ‖ public key), the first four bytes, big-endian.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The Ed25519 public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether this key made `signature` over `text`, and when if it says so; `None` if it is
    /// bad. The caller has compared name and id.
    pub(super) fn verify(&self, text: &str, signature: &Signature) -> Option<Verified> {
        let cosigned_at_s = match self.algorithm {
            Algorithm::Ed25519 => {
                self.verify_bytes(text.as_bytes(), signature.bytes())?;
                None
            }
            Algorithm::Cosignature => {
                let (time_s, bytes) = timestamped::split(signature.bytes())?;
                self.verify_bytes(timestamped::message(text, time_s).as_bytes(), bytes)?;
                Some(time_s)
            }
        };
        Some(Verified { key: self.clone(), cosigned_at_s })
    }

    fn verify_bytes(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        let signature = Ed25519Signature::from_slice(signature).ok()?;
        // Strict: a signature that some verifiers take and others refuse is refused.
        self.key.verify_strict(message, &signature).ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[self.algorithm.byte()], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, encode_base64(&bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    /// Accepts exactly what [`VerifierKey`] prints.
    fn from_str(text: &str) -> Result<VerifierKey, KeyError> {
        let (name, rest) = text.split_once('+').ok_or(KeyError::Malformed)?;
        let (_, base64) = rest.split_once('+').ok_or(KeyError::Malformed)?;
        let bytes = decode_base64(base64).ok_or(KeyError::Malformed)?;
        let (algorithm, key) = bytes.split_first().ok_or(KeyError::Malformed)?;
        let algorithm = match algorithm {
            0x01 => Algorithm::Ed25519,
            0x04 => Algorithm::Cosignature,
            _ => return Err(KeyError::Algorithm),
        };
        let key = key.try_into().map_err(|_| KeyError::PublicKey)?;
        let parsed = VerifierKey::new(name, algorithm, key)?;
        if parsed.to_string() == text { Ok(parsed) } else { Err(KeyError::Id) }
    }
}

/// A key that signs. It is expanded once; its secret part is zeroed when dropped and never
/// printed.
pub struct Signer {
    key: SigningKey,
    verifier: VerifierKey,
}

impl Signer {
    /// The Ed25519 key made from this seed, for notes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Signer, KeyError> {
        Signer::with_algorithm(name, Algorithm::Ed25519, seed)
    }

    pub(crate) fn with_algorithm(
        name: &str,
        algorithm: Algorithm,
        seed: &[u8; 32],
    ) -> Result<Signer, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        let key = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::of(name, algorithm, key.verifying_key());
        Ok(Signer { key, verifier })
    }

    /// The name that signatures bear.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a text; [`super::sign`] makes the whole note.
    #[must_use]
    pub fn sign(&self, text: &str) -> Signature {
        self.signature(self.sign_bytes(text.as_bytes()).to_vec())
    }

    pub(crate) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    pub(crate) fn signature(&self, bytes: Vec<u8>) -> Signature {
        Signature::new(self.verifier.name.clone(), self.verifier.id, bytes)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}
