//! Proof files (c2sp.org/tlog-proof): a receipt that one entry is in a log, checked offline.

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::CheckpointError;
use crate::note::{Note, NoteError, VerifierKey};
use crate::text::{base64_of, decode_base64, encode_base64, parse_decimal};
use crate::{Checkpoint, Hash, ProofError, leaf_hash, verify_inclusion};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The longest way from a leaf to the root of a tree of fewer than 2^64 leaves, in hashes.
const MAX_HASHES: usize = 64;

/// Why a text is no proof file, or proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFileError {
    /// Not in the form of a proof file; the reason says what is wrong.
    #[error("malformed proof file: {0}")]
    Malformed(&'static str),
    /// What follows the hashes is no note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The checkpoint is not to be believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The hashes do not lead from the entry to the checkpoint's root.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// The contents of a `.tlog-proof` file: an entry's index, the way up, and the checkpoint.
///
/// Printing it gives the bytes it was parsed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofFile {
    /// Data of the application's own. Nothing signs it: do not trust it. `None` in our own files.
    pub extra: Option<Vec<u8>>,
    /// The entry's index in the log, from 0.
    pub index: u64,
    /// The inclusion proof, from the leaf's sibling up.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, as it came.
    pub checkpoint: Note,
}

impl ProofFile {
    /// The receipt for entry `index`, with its proof and the signed checkpoint it leads to.
    ///
    /// # Errors
    ///
    /// [`ProofFileError::Note`] or [`ProofFileError::Checkpoint`] if the checkpoint is none.
    pub fn new(index: u64, proof: Vec<Hash>, checkpoint: &str) -> Result<Self, ProofFileError> {
        let checkpoint = parse_checkpoint(checkpoint)?;
        Ok(ProofFile { extra: None, index, proof, checkpoint })
    }

    /// Checks that the log has signed a tree with this entry at the index of the file, and
    /// returns the checkpoint of that tree.
    ///
    /// # Errors
    ///
    /// A [`ProofFileError`]; nothing is proved.
    pub fn verify(&self, entry: &[u8], log: &VerifierKey) -> Result<Checkpoint, ProofFileError> {
        self.verify_leaf(&leaf_hash(entry), log)
    }

    /// As [`ProofFile::verify`], for one who has the entry's leaf hash only.
    ///
    /// # Errors
    ///
    /// As [`ProofFile::verify`].
    pub fn verify_leaf(
        &self,
        leaf: &Hash,
        log: &VerifierKey,
    ) -> Result<Checkpoint, ProofFileError> {
        let tree = Checkpoint::open(self.checkpoint.to_string().as_bytes(), log)?;
        verify_inclusion(leaf, self.index, tree.size(), &self.proof, &tree.root())?;
        Ok(tree)
    }
}

/// Appends how the proof file of entry `index` begins, as [`ProofFile`] prints it: up to the first hashes
/// of the way up, `proof`. A [`tail`] goes on from there. `line_end` is what ends a line: `"\n"`,
/// or how that is spelled in a quoted text. All of it is ASCII.
pub fn push_beginning(text: &mut Vec<u8>, index: u64, proof: &[Hash], line_end: &str) {
    for part in [HEADER, line_end, "index ", &index.to_string(), line_end] {
        text.extend_from_slice(part.as_bytes());
    }
    push_hashes(text, proof, line_end);
}

/// How a proof file ends: the last hashes of the way up, and the checkpoint, which is not looked
/// at: for one who has just signed it.
#[must_use]
pub fn tail(proof: &[Hash], checkpoint: &str) -> String {
    let mut hashes = Vec::with_capacity(proof.len() * 45);
    push_hashes(&mut hashes, proof, "\n");
    format!("{}\n{checkpoint}", String::from_utf8_lossy(&hashes))
}

fn push_hashes(text: &mut Vec<u8>, hashes: &[Hash], line_end: &str) {
    for hash in hashes {
        text.extend_from_slice(&base64_of(hash.as_bytes()));
        text.extend_from_slice(line_end.as_bytes());
    }
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", encode_base64(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for ProofFile {
    type Err = ProofFileError;

    fn from_str(text: &str) -> Result<ProofFile, ProofFileError> {
        let malformed = ProofFileError::Malformed;
        // The first blank line ends the proof: no line above it may be empty.
        let (head, checkpoint) = text.split_once("\n\n").ok_or(malformed("no checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(malformed("not a proof file of version 1"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = match extra.and_then(|line| line.strip_prefix("extra ")) {
            Some(base64) => Some(decode_base64(base64).ok_or(malformed("bad extra data"))?),
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(parse_decimal).ok_or(malformed("bad index"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_HASHES {
                return Err(malformed("too many hashes"));
            }
            proof.push(line.parse().map_err(|_| malformed("bad hash"))?);
        }
        let checkpoint = parse_checkpoint(checkpoint)?;
        Ok(ProofFile { extra, index, proof, checkpoint })
    }
}

/// A note whose text is that of a checkpoint; its signatures are not verified.
fn parse_checkpoint(message: &str) -> Result<Note, ProofFileError> {
    let note = Note::parse(message.as_bytes())?;
    note.text().parse::<Checkpoint>()?;
    Ok(note)
}
