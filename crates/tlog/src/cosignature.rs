//! Cosignatures of witnesses (c2sp.org/tlog-cosignature, Ed25519): "as of this time, the largest
//! tree I have seen of this log has this root".
//!
//! A cosignature is verified like any signature, by [`note::open`](crate::note::open) with the
//! witness's key among the known ones; the time comes out as
//! [`Verified::cosigned_at_s`](crate::note::Verified::cosigned_at_s).

use crate::Checkpoint;
use crate::note::timestamped::{MAX_TIME_S, join, message};
use crate::note::{Algorithm, KeyError, Signature, Signer, VerifierKey};

/// The key of a witness. The signed text does not say which witness it is, so one seed serves
/// one witness, and no log.
#[derive(Debug)]
pub struct Cosigner(Signer);

impl Cosigner {
    /// The Ed25519 key made from this seed, for cosignatures.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Cosigner, KeyError> {
        Signer::with_algorithm(name, Algorithm::Cosignature, seed).map(Cosigner)
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        self.0.verifier_key()
    }

    /// Cosigns a checkpoint at `time_s` seconds since 1970; `None` from 2^63 on.
    ///
    /// The witness has checked that it is consistent with the last one it signed.
    #[must_use]
    pub fn cosign(&self, checkpoint: &Checkpoint, time_s: u64) -> Option<Signature> {
        if time_s > MAX_TIME_S {
            return None;
        }
        let signature = self.0.sign_bytes(message(&checkpoint.text(), time_s).as_bytes());
        Some(self.0.signature(join(time_s, &signature)))
    }
}
