//! The key that signs the log, and the keys that did before it.
//!
//! A signing key's name is the log's origin. When a key takes the place of another (a rotation, or
//! a new origin after an accepted rollback), both sign a note that says so, so that whoever trusts
//! the old one can follow. The layout is described in `schemas/evidence.md`.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tlog::note::{self, NoteError, Signer};
use tlog::{Checkpoint, Hash};
use zeroize::Zeroizing;

use crate::error::SigningError;
use crate::key_chain::KeyChain;
use crate::tree::TreeHead;

/// A root that a log signed, of its own tree (a checkpoint) or of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRoot {
    /// The signed note (c2sp.org/signed-note), as it is served.
    pub note: Arc<str>,
    /// How many records of the log it speaks of.
    pub size: u64,
    /// The root that it states.
    pub root: Hash,
}

/// Signs a log's checkpoints. Its secret part is erased when dropped and never printed.
pub struct Signing {
    seed: Zeroizing<[u8; 32]>,
    signer: Signer,
    chain: KeyChain,
}

impl Signing {
    /// The first key of a log with this origin.
    ///
    /// # Errors
    ///
    /// [`SigningError::Key`]: an origin has no space, plus or control character and is not empty.
    pub fn new(origin: &str, seed: [u8; 32]) -> Result<Signing, SigningError> {
        let seed = Zeroizing::new(seed);
        let signer = Signer::from_seed(origin, &seed)?;
        let chain = KeyChain::of_first(&signer);
        Ok(Signing { seed, signer, chain })
    }

    /// Reads what [`Signing::to_text`] gave.
    ///
    /// # Errors
    ///
    /// [`SigningError`]; the message holds nothing of the secret.
    pub fn parse(text: &str) -> Result<Signing, SigningError> {
        let (line, public) =
            text.split_once('\n').ok_or(SigningError::Malformed("it has only one line"))?;
        let mut seed = Zeroizing::new([0; 32]);
        let length = URL_SAFE_NO_PAD.decode_slice(line, seed.as_mut());
        if length != Ok(seed.len()) {
            return Err(SigningError::Malformed("its first line is no seed"));
        }
        let chain = KeyChain::parse(public)?;
        let signer = Signer::from_seed(chain.newest().name(), &seed)?;
        if signer.verifier_key() != chain.newest() {
            return Err(SigningError::Malformed("its seed is not that of its newest key"));
        }
        Ok(Signing { seed, signer, chain })
    }

    /// The text to keep, secret: a line with the seed (RFC 8032 §5.1.5, base64url), then what
    /// [`Signing::chain`] shows.
    ///
    /// ```
    /// let key = signedlog::Signing::new("example.com/deployments", [7; 32])?;
    /// let read = signedlog::Signing::parse(&key.to_text())?;
    /// assert_eq!((read.origin(), read.chain()), (key.origin(), key.chain()));
    /// # Ok::<(), signedlog::SigningError>(())
    /// ```
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n{}", URL_SAFE_NO_PAD.encode(*self.seed), self.chain))
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.signer.name()
    }

    /// All keys of the log, and how each named the next.
    #[must_use]
    pub fn chain(&self) -> &KeyChain {
        &self.chain
    }

    /// The key that comes after this one for the same origin, which this one signed last for `last`.
    ///
    /// ```
    /// use signedlog::{KeyChain, Signing, TreeHead};
    ///
    /// let old = Signing::new("example.com/deployments", [7; 32])?;
    /// let new = old.rotate([8; 32], TreeHead::empty())?;
    ///
    /// // Whoever trusts the old key reads in the published chain which key follows it.
    /// let chain = KeyChain::parse(&new.chain().to_string())?;
    /// let trusted = old.chain().newest();
    /// let since = chain.from(trusted).ok_or("the chain is of another log")?;
    /// assert_eq!(since.last(), Some(new.chain().newest()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SigningError::Key`], which no key that was read has.
    pub fn rotate(&self, seed: [u8; 32], last: TreeHead) -> Result<Signing, SigningError> {
        self.succeed(self.origin(), seed, last, None)
    }

    /// The key of another origin that takes the place of this one, which signed last for `last`, and
    /// goes on from another log, which is `from`.
    ///
    /// # Errors
    ///
    /// [`SigningError::Key`] for an unlawful origin; [`SigningError::Malformed`] for the present one.
    pub fn begin_anew(
        &self,
        origin: &str,
        seed: [u8; 32],
        last: TreeHead,
        from: TreeHead,
    ) -> Result<Signing, SigningError> {
        if origin == self.origin() {
            return Err(SigningError::Malformed("another log needs another origin"));
        }
        self.succeed(origin, seed, last, Some(from))
    }

    fn succeed(
        &self,
        origin: &str,
        seed: [u8; 32],
        last: TreeHead,
        from: Option<TreeHead>,
    ) -> Result<Signing, SigningError> {
        let mut next = Signing::new(origin, seed)?;
        next.chain = self.chain.followed_by(&self.signer, &next.signer, last, from)?;
        Ok(next)
    }

    /// Signs the checkpoint (c2sp.org/tlog-checkpoint) of a tree.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it never does: see the expectation")]
    pub fn checkpoint(&self, head: TreeHead) -> SignedRoot {
        let TreeHead { size, root } = head;
        let note = Checkpoint::new(self.origin(), size, root)
            .and_then(|checkpoint| checkpoint.sign(&self.signer));
        #[expect(clippy::expect_used, reason = "the origin was checked when the key was made")]
        let note = note.expect("the name of a key is an origin, and its text that of a note");
        SignedRoot { note: note.into(), size, root }
    }

    /// Signs any other text under the origin's name.
    ///
    /// # Errors
    ///
    /// [`NoteError::Malformed`] for a text that can be none of a note.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        note::sign(text, &[&self.signer])
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signing({})", self.signer.verifier_key())
    }
}

#[cfg(test)]
#[path = "signing_tests.rs"]
mod tests;
