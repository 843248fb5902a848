//! Checkpoints (c2sp.org/tlog-checkpoint): what a log commits to at one size.

use std::str::FromStr;

use crate::Hash;
use crate::note::{self, Algorithm, NoteError, Opened, Signer, VerifierKey};
use crate::text::parse_decimal;

/// Why a text is no checkpoint, or a checkpoint is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not three lines of origin, size and root.
    #[error("malformed checkpoint: {0}")]
    Malformed(&'static str),
    /// It is of another log than the key's name says.
    #[error("a checkpoint of {found} and not of {expected}")]
    Origin {
        /// The name of the key.
        expected: String,
        /// The origin in the checkpoint.
        found: String,
    },
    /// The log itself has not signed it, or somebody known signed it badly.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// A tree's origin, size and root: the text `<origin>\n<size>\n<base64 root>\n`.
///
/// Extension lines are neither written nor accepted: nobody could audit them.
///
/// ```
/// use tlog::{Checkpoint, leaf_hash, note::Signer};
///
/// let log = Signer::from_seed("log.example.com", &[7; 32])?;
/// // The root of a tree of one leaf is the hash of that leaf.
/// let checkpoint = Checkpoint::new("log.example.com", 1, leaf_hash(b"an entry"))?;
/// let note = checkpoint.sign(&log)?;
/// assert_eq!(Checkpoint::open(note.as_bytes(), log.verifier_key())?, checkpoint);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
}

impl Checkpoint {
    /// A checkpoint to be signed.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Malformed`] if the origin is empty or has a control character.
    pub fn new(origin: &str, size: u64, root: Hash) -> Result<Checkpoint, CheckpointError> {
        if origin.is_empty() || origin.chars().any(|c| c < ' ') {
            return Err(CheckpointError::Malformed("bad origin"));
        }
        Ok(Checkpoint { origin: origin.to_owned(), size, root })
    }

    /// The identity of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree at that size.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Signs the checkpoint with the log's key and returns the note as text.
    ///
    /// A log signs one root for a size, and no tree that does not extend all it has signed
    /// before: that is the caller's to keep. A text of the same form with a longer origin
    /// (`<origin>/…`) goes through [`note::sign`] and [`note::open`] directly.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Origin`] if the key's name is not the origin.
    pub fn sign(&self, log: &Signer) -> Result<String, CheckpointError> {
        self.check_origin(log.name())?;
        Ok(note::sign(&self.text(), &[log])?)
    }

    /// Reads a checkpoint that the log has signed.
    ///
    /// # Errors
    ///
    /// A [`CheckpointError`]; the checkpoint is not to be believed.
    pub fn open(message: &[u8], log: &VerifierKey) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::open_witnessed(message, log, &[]).map(|(checkpoint, _)| checkpoint)
    }

    /// Reads a checkpoint that the log has signed, and tells which of the `witnesses` cosigned
    /// it. How many are enough is for the caller to say.
    ///
    /// # Errors
    ///
    /// A [`CheckpointError`], also if a witness's cosignature is there and bad.
    pub fn open_witnessed(
        message: &[u8],
        log: &VerifierKey,
        witnesses: &[VerifierKey],
    ) -> Result<(Checkpoint, Opened), CheckpointError> {
        let keys = [std::slice::from_ref(log), witnesses].concat();
        let opened = note::open(message, &keys)?;
        let by_log = opened.verified.iter().any(|signed| signed.key == *log);
        if !by_log || log.algorithm() != Algorithm::Ed25519 {
            return Err(NoteError::Unsigned.into());
        }
        let checkpoint: Checkpoint = opened.text().parse()?;
        checkpoint.check_origin(log.name())?;
        Ok((checkpoint, opened))
    }

    fn check_origin(&self, expected: &str) -> Result<(), CheckpointError> {
        if self.origin == expected {
            return Ok(());
        }
        Err(CheckpointError::Origin { expected: expected.to_owned(), found: self.origin.clone() })
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads the text of a checkpoint, with no signature: accepts exactly what
    /// [`Checkpoint::text`] gives.
    fn from_str(text: &str) -> Result<Checkpoint, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        let lines = text.strip_suffix('\n').ok_or(malformed("cut off"))?;
        let mut lines = lines.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("not three lines"));
        };
        let size = parse_decimal(size).ok_or(malformed("bad size"))?;
        let root = root.parse().map_err(|_| malformed("bad root"))?;
        Checkpoint::new(origin, size, root)
    }
}
