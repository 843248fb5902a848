//! The keys that signed a log, and how each named the next.

use std::fmt;

use tlog::Checkpoint;
use tlog::note::{self, Algorithm, Note, NoteError, Signer, VerifierKey};

use crate::error::SigningError;
use crate::tree::TreeHead;

/// The first line of a note in which one key names its successor: part of the format, whatever
/// the log is of.
const SUCCESSION: &str = "keyledger succession v1";

/// The keys that signed a log, oldest first, and the notes in which each names the next.
///
/// Its text is what is served: the verifier keys, one a line, the newest last; then each note,
/// with an empty line in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChain {
    /// All of them.
    keys: Vec<VerifierKey>,
    /// The last of `keys`.
    newest: VerifierKey,
    notes: Vec<String>,
}

impl KeyChain {
    /// The chain of a log whose key never changed.
    pub(crate) fn of_first(signer: &Signer) -> KeyChain {
        let newest = signer.verifier_key().clone();
        KeyChain { keys: vec![newest.clone()], newest, notes: Vec::new() }
    }

    /// The chain in which `new` follows `old`, the newest key of this one. Both sign for `last`.
    pub(crate) fn followed_by(
        &self,
        old: &Signer,
        new: &Signer,
        last: TreeHead,
    ) -> Result<KeyChain, NoteError> {
        let (old_key, new_key) = (old.verifier_key(), new.verifier_key());
        let TreeHead { size, root } = last;
        let text =
            format!("{SUCCESSION}\nold {old_key}\nnew {new_key}\nsize {size}\nroot {root}\n");
        let note = note::sign(&text, &[old, new])?;
        let keys = [&*self.keys, std::slice::from_ref(new_key)].concat();
        let notes = [&*self.notes, &[note]].concat();
        Ok(KeyChain { keys, newest: new_key.clone(), notes })
    }

    /// Reads a chain, and checks that every key is named by the one before it.
    ///
    /// # Errors
    ///
    /// [`SigningError`]; nothing of it is to be believed.
    pub fn parse(text: &str) -> Result<KeyChain, SigningError> {
        let malformed = SigningError::Malformed;
        let (lines, notes) = match text.split_once("\n\n") {
            Some((lines, notes)) => (lines, Some(notes)),
            None => (text.strip_suffix('\n').ok_or(malformed("it is cut off"))?, None),
        };
        let keys = lines.split('\n').map(str::parse).collect::<Result<Vec<VerifierKey>, _>>()?;
        if keys.iter().any(|key| key.algorithm() != Algorithm::Ed25519) {
            return Err(malformed("a key is not one that signs notes"));
        }
        // A note is a text of 5 lines, an empty line, 2 signatures; then an empty line.
        let lines: Vec<&str> = notes.unwrap_or("").split_inclusive('\n').collect();
        let notes: Vec<String> =
            lines.chunks(9).map(|lines| lines.get(..8).unwrap_or(lines).concat()).collect();
        let newest = keys.last().ok_or(malformed("it has no key"))?.clone();
        let chain = KeyChain { keys, newest, notes };
        if chain.notes.len() + 1 != chain.keys.len() || chain.to_string() != text {
            return Err(malformed("there must be a note for every key but the first"));
        }
        for (pair, note) in chain.keys.windows(2).zip(&chain.notes) {
            check_succession(pair, note)?;
        }
        Ok(chain)
    }

    /// The key that signs now.
    #[must_use]
    pub fn newest(&self) -> &VerifierKey {
        &self.newest
    }

    /// All keys, the oldest first.
    #[must_use]
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// The chain from `trusted` on; `None` if it is not one of the chain's keys.
    #[must_use]
    pub fn from(&self, trusted: &VerifierKey) -> Option<&[VerifierKey]> {
        let place = self.keys.iter().position(|key| key == trusted)?;
        self.keys.get(place..)
    }

    /// What the log was when its key was changed: the notes of rotations, each with the size and
    /// root that both keys signed for. Where a new origin began, the log is not that any more.
    pub fn rotations(&self) -> impl Iterator<Item = (&str, TreeHead)> + '_ {
        let pairs = self.keys.windows(2).zip(&self.notes);
        pairs.filter_map(|(pair, note)| {
            let [old, new] = pair else { return None };
            let stated = stated(pair, note).ok().filter(|_| old.name() == new.name());
            stated.map(|head| (note.as_str(), head))
        })
    }

    /// Reads a checkpoint that one of the keys signed under its own origin.
    ///
    /// # Errors
    ///
    /// The newest key's complaint, if none of them did.
    pub fn open(&self, note: &[u8]) -> Result<Checkpoint, tlog::checkpoint::CheckpointError> {
        let signed = self.keys.iter().rev().find_map(|key| Checkpoint::open(note, key).ok());
        signed.map_or_else(|| Checkpoint::open(note, self.newest()), Ok)
    }
}

/// Both keys must have signed that the one follows the other.
fn check_succession(pair: &[VerifierKey], note: &str) -> Result<(), SigningError> {
    stated(pair, note)?;
    if note::open(note.as_bytes(), pair)?.verified.len() == 2 {
        Ok(())
    } else {
        Err(SigningError::Malformed("a note is not signed by both keys"))
    }
}

/// The size and root in a note between two keys. Its signatures are not looked at.
fn stated(pair: &[VerifierKey], note: &str) -> Result<TreeHead, SigningError> {
    let malformed = SigningError::Malformed;
    let [old, new] = pair else { return Err(malformed("a succession is of two keys")) };
    let note = Note::parse(note.as_bytes())?;
    let start = format!("{SUCCESSION}\nold {old}\nnew {new}\nsize ");
    let rest = note.text().strip_prefix(&start);
    let rest = rest.ok_or(malformed("a note names other keys"))?;
    let numbers = rest.strip_suffix('\n').and_then(|rest| rest.split_once("\nroot "));
    let stated = numbers.and_then(|(text, root)| {
        let size = text.parse::<u64>().ok().filter(|size| size.to_string() == text)?;
        Some(TreeHead { size, root: root.parse().ok()? })
    });
    stated.ok_or(malformed("a note states no size and root"))
}

impl fmt::Display for KeyChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.iter().try_for_each(|key| writeln!(f, "{key}"))?;
        self.notes.iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}
