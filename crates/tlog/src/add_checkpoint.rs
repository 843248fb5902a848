//! What a log sends a witness to have a checkpoint cosigned, and what comes back
//! (c2sp.org/tlog-witness, "add-checkpoint").

use std::fmt;

use crate::Hash;
use crate::note::{Note, NoteError, Signature, VerifierKey};
use crate::text::parse_decimal;

/// The most hashes of a request.
pub const MAX_HASHES: usize = 63;
/// The media type of a conflict's body, which [`read_size`] reads.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// Why bytes or parts are no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddCheckpointError {
    /// Not in the form of a request; the reason says what is wrong.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// What follows the proof is no note.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// A request to cosign: the size that the witness cosigned last, the proof that the checkpoint
/// extends it, and the signed checkpoint. Nothing of it is verified.
///
/// ```
/// use tlog::{AddCheckpoint, Checkpoint, leaf_hash, note::{Note, Signer}};
///
/// let log = Signer::from_seed("log.example.com", &[7; 32])?;
/// let checkpoint = Checkpoint::new(log.name(), 1, leaf_hash(b"an entry"))?;
/// let note = Note::parse(checkpoint.sign(&log)?.as_bytes())?;
/// let request = AddCheckpoint::new(0, Vec::new(), note)?.to_string();
/// assert!(request.starts_with("old 0\n\nlog.example.com\n1\n"));
/// assert_eq!(AddCheckpoint::parse(request.as_bytes())?.old(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    old: u64,
    proof: Vec<Hash>,
    checkpoint: Note,
}

impl AddCheckpoint {
    /// A request of its parts.
    ///
    /// # Errors
    ///
    /// [`AddCheckpointError::Malformed`] if there are more than [`MAX_HASHES`].
    pub fn new(
        old: u64,
        proof: Vec<Hash>,
        checkpoint: Note,
    ) -> Result<AddCheckpoint, AddCheckpointError> {
        if proof.len() > MAX_HASHES {
            return Err(AddCheckpointError::Malformed("too many hashes"));
        }
        Ok(AddCheckpoint { old, proof, checkpoint })
    }

    /// Reads exactly what printing gives.
    ///
    /// # Errors
    ///
    /// An [`AddCheckpointError`].
    pub fn parse(body: &[u8]) -> Result<AddCheckpoint, AddCheckpointError> {
        let malformed = AddCheckpointError::Malformed;
        let body = str::from_utf8(body).map_err(|_| malformed("not utf-8"))?;
        // The first blank line ends the proof: no line above it may be empty.
        let (head, note) = body.split_once("\n\n").ok_or(malformed("no checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.and_then(parse_decimal).ok_or(malformed("bad old size"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_HASHES {
                return Err(malformed("too many hashes"));
            }
            proof.push(line.parse().map_err(|_| malformed("bad hash"))?);
        }
        Ok(AddCheckpoint { old, proof, checkpoint: Note::parse(note.as_bytes())? })
    }

    /// The size that the witness cosigned last, as far as the sender knows; 0 if none.
    #[must_use]
    pub fn old(&self) -> u64 {
        self.old
    }

    /// The proof that the tree of the checkpoint extends that of the old size (RFC 6962 §2.1.2).
    #[must_use]
    pub fn proof(&self) -> &[Hash] {
        &self.proof
    }

    /// The checkpoint, as the log signed it.
    #[must_use]
    pub fn checkpoint(&self) -> &Note {
        &self.checkpoint
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// The size in the body of a conflict (409): what the witness cosigned last.
#[must_use]
pub fn read_size(body: &[u8]) -> Option<u64> {
    parse_decimal(str::from_utf8(body).ok()?.strip_suffix('\n')?)
}

/// The body of a conflict.
#[must_use]
pub fn size_text(size: u64) -> String {
    format!("{size}\n")
}

/// The cosignature by `witness` in the body of a good answer (200), with its time in seconds since
/// 1970. Signatures of other keys are ignored, and of its own the first counts.
///
/// # Errors
///
/// A [`NoteError`]: the body is not made of signature lines, none is by the witness, or one of
/// the witness's is bad, as one of another text is.
pub fn read_cosignature(
    body: &[u8],
    text: &str,
    witness: &VerifierKey,
) -> Result<(Signature, u64), NoteError> {
    let note = Note::parse(&[text.as_bytes(), b"\n", body].concat())?;
    if note.text() != text {
        return Err(NoteError::Malformed("bad signature line"));
    }
    let verified = note.verify(std::slice::from_ref(witness))?;
    let time_s = verified.first().and_then(|verified| verified.cosigned_at_s);
    let own = |line: &&Signature| line.name() == witness.name() && line.id() == witness.id();
    let line = note.signatures().iter().find(own).cloned();
    line.zip(time_s).ok_or(NoteError::Unsigned)
}
