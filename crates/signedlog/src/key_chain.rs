//! The keys that signed a log, how each named the next, and what each may sign for.

use std::fmt;

use tlog::Checkpoint;
use tlog::note::{self, Algorithm, NoteError, Signer, VerifierKey};

use crate::error::{SigningError, StatementError};
use crate::succession::Succession;
use crate::tree::TreeHead;

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
    /// One between each two keys.
    successions: Vec<Succession>,
}

/// A key of a log, and when it signed.
#[derive(Clone, Copy, Debug)]
pub struct Era<'c> {
    /// The key.
    pub key: &'c VerifierKey,
    /// How it took over; `None` for the first.
    pub began: Option<&'c Succession>,
    /// How the next one took over; `None` for the newest.
    pub ended: Option<&'c Succession>,
}

impl KeyChain {
    /// The chain of a log whose key never changed.
    pub(crate) fn of_first(signer: &Signer) -> KeyChain {
        let newest = signer.verifier_key().clone();
        KeyChain { keys: vec![newest.clone()], newest, successions: Vec::new() }
    }

    /// The chain in which `new` follows `old`, the newest key of this one; see [`Succession`] for the
    /// heads.
    pub(crate) fn followed_by(
        &self,
        old: &Signer,
        new: &Signer,
        last: TreeHead,
        from: Option<TreeHead>,
    ) -> Result<KeyChain, NoteError> {
        let new_key = new.verifier_key();
        let succession = Succession::sign(old, new, last, from)?;
        let keys = [&*self.keys, std::slice::from_ref(new_key)].concat();
        let successions = [&*self.successions, &[succession]].concat();
        Ok(KeyChain { keys, newest: new_key.clone(), successions })
    }

    /// Reads a chain, and checks that every key is named by the one before it.
    ///
    /// # Errors
    ///
    /// [`SigningError`]; nothing of it is to be believed.
    pub fn parse(text: &str) -> Result<KeyChain, SigningError> {
        let malformed = SigningError::Malformed;
        // The keys; then for each note its text, its signatures and an empty line.
        let mut parts = text.split("\n\n");
        let lines = parts.next().unwrap_or_default();
        let lines = lines.strip_suffix('\n').unwrap_or(lines);
        let keys = lines.split('\n').map(str::parse).collect::<Result<Vec<VerifierKey>, _>>()?;
        if keys.iter().any(|key| key.algorithm() != Algorithm::Ed25519) {
            return Err(malformed("a key is not one that signs notes"));
        }
        // Whoever gets hold of a key that was succeeded would be let in by the second place.
        let twice = keys
            .iter()
            .enumerate()
            .any(|(place, key)| keys.iter().skip(place + 1).any(|other| other == key));
        if twice {
            return Err(malformed("a key is there twice"));
        }
        let mut successions = Vec::new();
        for pair in keys.windows(2) {
            let (text, signatures) = parts
                .next()
                .zip(parts.next())
                .ok_or(malformed("there must be a note for every key but the first"))?;
            let end = signatures.strip_suffix('\n').unwrap_or(signatures);
            let [old, new] = pair else { continue };
            successions.push(Succession::open(format!("{text}\n\n{end}\n"), old, new)?);
        }
        let newest = keys.last().ok_or(malformed("it has no key"))?.clone();
        let chain = KeyChain { keys, newest, successions };
        if chain.to_string() == text {
            Ok(chain)
        } else {
            Err(malformed("it is cut off, or goes on"))
        }
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

    /// All keys, the oldest first, and when each signed.
    #[must_use]
    pub fn eras(&self) -> impl DoubleEndedIterator<Item = Era<'_>> + ExactSizeIterator + '_ {
        self.keys.iter().enumerate().map(|(place, key)| Era {
            key,
            began: place.checked_sub(1).and_then(|before| self.successions.get(before)),
            ended: self.successions.get(place),
        })
    }

    /// How the keys followed each other after `key`, the oldest first; `None` if it is not one of them.
    #[must_use]
    pub fn successions_after(&self, key: &VerifierKey) -> Option<&[Succession]> {
        let place = self.keys.iter().position(|own| own == key)?;
        self.successions.get(place..)
    }

    /// The chain from `trusted` on; `None` if it is not one of the chain's keys.
    #[must_use]
    pub fn from(&self, trusted: &VerifierKey) -> Option<&[VerifierKey]> {
        let place = self.keys.iter().position(|key| key == trusted)?;
        self.keys.get(place..)
    }

    /// The rotations: what the log was when only its key was changed, and is still.
    pub fn rotations(&self) -> impl Iterator<Item = &Succession> + '_ {
        self.successions.iter().filter(|succession| succession.is_rotation)
    }

    /// Whether `key` may sign for so many records of this log.
    ///
    /// # Errors
    ///
    /// [`StatementError::Succeeded`] for more than when it was succeeded: whoever holds a key that was
    /// taken out of use can sign anything.
    pub fn signs_for(&self, key: &VerifierKey, size: u64) -> Result<(), StatementError> {
        let era = self.eras().find(|era| era.key == key);
        match era.and_then(|era| era.ended).filter(|ended| size > ended.last.size) {
            None => Ok(()),
            Some(ended) => {
                Err(StatementError::Succeeded { key: key.to_string(), size, last: ended.last.size })
            }
        }
    }

    /// Reads a checkpoint that one of `keys`, which are of this chain, signed under its own origin, and
    /// was allowed to; and says which one did, of several the newest.
    ///
    /// # Errors
    ///
    /// [`StatementError`]
    pub fn open_by<'k>(
        &self,
        note: &[u8],
        keys: &'k [VerifierKey],
    ) -> Result<(Checkpoint, &'k VerifierKey), StatementError> {
        self.open_named(note, keys, "")
    }

    /// The same for another note in the form of a checkpoint, whose origin is the key's name and
    /// `suffix`.
    ///
    /// # Errors
    ///
    /// [`StatementError`]
    pub fn open_named<'k>(
        &self,
        note: &[u8],
        keys: &'k [VerifierKey],
        suffix: &str,
    ) -> Result<(Checkpoint, &'k VerifierKey), StatementError> {
        let (text, signers) = signers(note, keys)?;
        let found: Checkpoint = text.parse()?;
        let own = |key: &&VerifierKey| found.origin().strip_prefix(key.name()) == Some(suffix);
        let by = signers.into_iter().find(own).ok_or(NoteError::Unsigned)?;
        self.signs_for(by, found.size())?;
        Ok((found, by))
    }

    /// Reads another note that one of `keys`, which are of this chain, signed; says which one did, of
    /// several the newest. What it may sign for is to be checked with [`KeyChain::signs_for`].
    ///
    /// # Errors
    ///
    /// [`StatementError::Unsigned`]
    pub fn open_note<'k>(
        &self,
        note: &[u8],
        keys: &'k [VerifierKey],
    ) -> Result<(String, &'k VerifierKey), StatementError> {
        let (text, signers) = signers(note, keys)?;
        let by = signers.first().copied().ok_or(NoteError::Unsigned)?;
        Ok((text, by))
    }

    /// Reads a checkpoint that any of the keys signed under its own origin, and was allowed to.
    ///
    /// # Errors
    ///
    /// As [`KeyChain::open_by`].
    pub fn open(&self, note: &[u8]) -> Result<Checkpoint, StatementError> {
        self.open_by(note, &self.keys).map(|(checkpoint, _)| checkpoint)
    }
}

/// The text of a note that some of `keys` signed, and which ones, the newest first. A bad signature of
/// any of them spoils it.
fn signers<'k>(
    note: &[u8],
    keys: &'k [VerifierKey],
) -> Result<(String, Vec<&'k VerifierKey>), NoteError> {
    let opened = note::open(note, keys)?;
    let signed = |key: &&VerifierKey| opened.verified.iter().any(|by| by.key == **key);
    Ok((opened.text().to_owned(), keys.iter().rev().filter(signed).collect()))
}

impl fmt::Display for KeyChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.iter().try_for_each(|key| writeln!(f, "{key}"))?;
        self.successions.iter().try_for_each(|succession| write!(f, "\n{}", succession.note()))
    }
}
