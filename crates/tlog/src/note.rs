//! Signed notes (c2sp.org/signed-note): a text, a blank line, signature lines.
//!
//! A note's text means nothing until [`open`] has verified it. [`Note::parse`] looks at the
//! form alone.
//!
//! ```
//! use tlog::note::{self, NoteError, Signer};
//!
//! let signer = Signer::from_seed("log.example.com", &[7; 32])?;
//! let message = note::sign("a text\n", &[&signer])?;
//! assert!(message.starts_with("a text\n\n— log.example.com "));
//!
//! let key = signer.verifier_key().clone();
//! assert_eq!(note::open(message.as_bytes(), &[key])?.text(), "a text\n");
//! let stranger = Signer::from_seed("log.example.com", &[8; 32])?.verifier_key().clone();
//! assert_eq!(note::open(message.as_bytes(), &[stranger]), Err(NoteError::Unsigned));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod key;
pub(crate) mod timestamped;

use std::fmt;

use crate::text::{decode_base64, encode_base64, is_key_name};

pub use key::{Algorithm, KeyError, Signer, VerifierKey};

/// The largest number of signatures in a note.
pub const MAX_SIGNATURES: usize = 100;

/// Why bytes or parts make no note, or a note is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not in the form of a note; the reason says what is wrong.
    #[error("malformed note: {0}")]
    Malformed(&'static str),
    /// A key that is known did not make the signature that bears its name and id.
    #[error("the signature of {name}+{id:08x} is bad")]
    BadSignature {
        /// The key's name.
        name: String,
        /// The key's id.
        id: u32,
    },
    /// No signature is by a known key.
    #[error("no signature is by a known key")]
    Unsigned,
}

/// One signature line: who signed, with which key, and the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    name: String,
    id: u32,
    bytes: Vec<u8>,
}

impl Signature {
    pub(crate) fn new(name: String, id: u32, bytes: Vec<u8>) -> Signature {
        Signature { name, id, bytes }
    }

    /// The name of the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the key: four bytes, read as a big-endian number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The signature without the key id; its layout is the algorithm's.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn parse(line: &str) -> Option<Signature> {
        let (name, base64) = line.strip_prefix("— ")?.split_once(' ')?;
        let all = decode_base64(base64)?;
        let (id, bytes) = all.split_first_chunk()?;
        let lawful = is_key_name(name) && !bytes.is_empty();
        lawful.then(|| Signature {
            name: name.to_owned(),
            id: u32::from_be_bytes(*id),
            bytes: bytes.to_vec(),
        })
    }
}

impl fmt::Display for Signature {
    /// The signature line without its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [&self.id.to_be_bytes(), self.bytes.as_slice()].concat();
        write!(f, "— {} {}", self.name, encode_base64(&all))
    }
}

/// A note in the right form, believed or not. Printing it gives the bytes it was parsed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// Reads a note, and verifies nothing.
    ///
    /// # Errors
    ///
    /// [`NoteError::Malformed`]: not UTF-8, control characters, no last blank line, a bad
    /// signature line (base64 is strict), none or more than [`MAX_SIGNATURES`].
    pub fn parse(message: &[u8]) -> Result<Note, NoteError> {
        let message = str::from_utf8(message).map_err(|_| NoteError::Malformed("not utf-8"))?;
        let (text, lines) =
            message.rsplit_once("\n\n").ok_or(NoteError::Malformed("no blank line"))?;
        let text = format!("{text}\n");
        check_text(&text)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("cut off"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(NoteError::Malformed("too many signatures"));
            }
            let bad = NoteError::Malformed("bad signature line");
            signatures.push(Signature::parse(line).ok_or(bad)?);
        }
        Ok(Note { text, signatures })
    }

    /// The text, its last newline included, the blank line not.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures in order, none of them verified.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature after the others, as a witness does.
    ///
    /// # Errors
    ///
    /// [`NoteError::Malformed`] if there are [`MAX_SIGNATURES`] already; the note is unchanged.
    pub fn add(&mut self, signature: Signature) -> Result<(), NoteError> {
        if self.signatures.len() >= MAX_SIGNATURES {
            return Err(NoteError::Malformed("too many signatures"));
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Verifies the signatures by `trusted` keys, and ignores all others.
    ///
    /// Returns who signed, in the order of the lines, each key once.
    ///
    /// # Errors
    ///
    /// [`NoteError::BadSignature`] if one known key's signature is bad, whatever the others
    /// are; [`NoteError::Unsigned`] if there is none.
    pub fn verify(&self, trusted: &[VerifierKey]) -> Result<Vec<Verified>, NoteError> {
        let mut verified: Vec<Verified> = Vec::new();
        for signature in &self.signatures {
            let Signature { name, id, .. } = signature;
            let mut keys = trusted.iter().filter(|key| key.name() == name && key.id() == *id);
            let Some(first) = keys.next() else { continue };
            let verify = |key: &VerifierKey| key.verify(&self.text, signature);
            let Some(found) = verify(first).or_else(|| keys.find_map(verify)) else {
                return Err(NoteError::BadSignature { name: name.clone(), id: *id });
            };
            if !verified.iter().any(|before| before.key == found.key) {
                verified.push(found);
            }
        }
        if verified.is_empty() { Err(NoteError::Unsigned) } else { Ok(verified) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// A known key that has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The key.
    pub key: VerifierKey,
    /// When, in seconds since 1970, if the key makes cosignatures; `None` of a plain signature.
    pub cosigned_at_s: Option<u64>,
}

/// A note that at least one known key has signed, and none badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The note, with unknown signatures too.
    pub note: Note,
    /// The known keys that signed it; never empty.
    pub verified: Vec<Verified>,
}

impl Opened {
    /// The text that was signed.
    #[must_use]
    pub fn text(&self) -> &str {
        self.note.text()
    }
}

/// Signs a text and returns the note as text.
///
/// # Errors
///
/// [`NoteError::Malformed`]: the text does not end in a newline or holds another control
/// character, or there is no signer, or there are more than [`MAX_SIGNATURES`].
pub fn sign(text: &str, signers: &[&Signer]) -> Result<String, NoteError> {
    check_text(text)?;
    if signers.is_empty() {
        return Err(NoteError::Malformed("no signature"));
    }
    let mut note = Note { text: text.to_owned(), signatures: Vec::new() };
    for signer in signers {
        note.add(signer.sign(text))?;
    }
    Ok(note.to_string())
}

/// Reads a note and verifies it with the keys that are known.
///
/// # Errors
///
/// A [`NoteError`]; the note is not to be believed.
pub fn open(message: &[u8], trusted: &[VerifierKey]) -> Result<Opened, NoteError> {
    let note = Note::parse(message)?;
    let verified = note.verify(trusted)?;
    Ok(Opened { note, verified })
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("no newline at the end of the text"));
    }
    if text.chars().any(|c| c < ' ' && c != '\n') {
        return Err(NoteError::Malformed("a control character"));
    }
    Ok(())
}
