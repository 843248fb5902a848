//! The key that signs the log, and the keys that did before it.
//!
//! A signing key's name is the log's origin. When a key takes the place of another (a rotation, or
//! a new origin after an accepted rollback), both sign a note that says so, so that whoever trusts
//! the old one can follow. The layout is described in `schemas/evidence.md`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tlog::note::{self, Algorithm, KeyError, Note, NoteError, Signer, VerifierKey};
use tlog::{Checkpoint, Hash};
use zeroize::Zeroizing;

/// The first line of a note in which one key names its successor.
const SUCCESSION: &str = "keyledger succession v1";

/// Why a text is no signing key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// Not a seed, verifier keys and the notes between them.
    #[error("not a signing key: {0}")]
    Malformed(&'static str),
    /// The origin is no name for a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key is not named by the one before it.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// Signs the log's checkpoints. Its secret part is erased when dropped and never printed.
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
        let chain = KeyChain { keys: vec![signer.verifier_key().clone()], notes: Vec::new() };
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

    /// The key that comes after this one: for the same origin, or for another one that goes on
    /// from what this one signed last.
    ///
    /// # Errors
    ///
    /// [`SigningError::Key`] for an unlawful origin.
    pub fn succeed(
        &self,
        origin: &str,
        seed: [u8; 32],
        (size, root): (u64, Hash),
    ) -> Result<Signing, SigningError> {
        let mut next = Signing::new(origin, seed)?;
        let (old, new) = (self.signer.verifier_key(), next.signer.verifier_key());
        let text = format!("{SUCCESSION}\nold {old}\nnew {new}\nsize {size}\nroot {root}\n");
        let note = note::sign(&text, &[&self.signer, &next.signer])?;
        let keys = [&*self.chain.keys, std::slice::from_ref(new)].concat();
        let notes = [&*self.chain.notes, &[note]].concat();
        next.chain = KeyChain { keys, notes };
        Ok(next)
    }

    /// Signs the checkpoint of a tree.
    ///
    /// # Errors
    ///
    /// None for an origin that made a key.
    pub(crate) fn checkpoint(
        &self,
        size: u64,
        root: Hash,
    ) -> Result<String, tlog::checkpoint::CheckpointError> {
        Checkpoint::new(self.origin(), size, root)?.sign(&self.signer)
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

/// The keys that signed a log, oldest first, and the notes in which each names the next.
///
/// Its text is what is served: the verifier keys, one a line, the newest last; then each note,
/// with an empty line in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChain {
    keys: Vec<VerifierKey>,
    notes: Vec<String>,
}

impl KeyChain {
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
        let lines: Vec<&str> = notes.unwrap_or_default().split_inclusive('\n').collect();
        let notes: Vec<String> =
            lines.chunks(9).map(|lines| lines.get(..8).unwrap_or(lines).concat()).collect();
        let chain = KeyChain { keys, notes };
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
        // There is always one: both ways to make a chain see to it.
        self.keys.last().unwrap_or_else(|| unreachable!("a chain of keys is never empty"))
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
    pub fn rotations(&self) -> impl Iterator<Item = (&str, u64, Hash)> + '_ {
        let pairs = self.keys.windows(2).zip(&self.notes);
        pairs.filter_map(|(pair, note)| {
            let [old, new] = pair else { return None };
            let stated = stated(pair, note).ok().filter(|_| old.name() == new.name());
            stated.map(|(size, root)| (note.as_str(), size, root))
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
fn stated(pair: &[VerifierKey], note: &str) -> Result<(u64, Hash), SigningError> {
    let malformed = SigningError::Malformed;
    let [old, new] = pair else { return Err(malformed("a succession is of two keys")) };
    let note = Note::parse(note.as_bytes())?;
    let start = format!("{SUCCESSION}\nold {old}\nnew {new}\nsize ");
    let rest = note.text().strip_prefix(&start);
    let rest = rest.ok_or(malformed("a note names other keys"))?;
    let numbers = rest.strip_suffix('\n').and_then(|rest| rest.split_once("\nroot "));
    let stated = numbers.and_then(|(text, root)| {
        let size = text.parse::<u64>().ok().filter(|size| size.to_string() == text)?;
        Some((size, root.parse().ok()?))
    });
    stated.ok_or(malformed("a note states no size and root"))
}

impl fmt::Display for KeyChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.iter().try_for_each(|key| writeln!(f, "{key}"))?;
        self.notes.iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Signing {
        let first = Signing::new("ledger.example.com/apikeys", [7; 32]).unwrap();
        let root = tlog::empty_root();
        let second = first.succeed("ledger.example.com/apikeys", [8; 32], (5, root)).unwrap();
        second.succeed("ledger.example.com/other", [9; 32], (9, root)).unwrap()
    }

    #[test]
    fn the_known_key_is_made_of_the_known_seed() {
        let signing = Signing::new("ledger.example.com/apikeys", [7; 32]).unwrap();
        assert_eq!(
            signing.chain().newest().to_string(),
            "ledger.example.com/apikeys+dd441a68+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
        );
    }

    #[test]
    fn keys_read_back_with_all_that_came_before() {
        let signing = chain();
        let read = Signing::parse(&signing.to_text()).unwrap();
        assert_eq!(read.chain(), signing.chain());
        assert_eq!((read.origin(), read.chain().keys().len()), ("ledger.example.com/other", 3));
        let rotations: Vec<_> = read.chain().rotations().map(|(_, size, _)| size).collect();
        assert_eq!(rotations, [5], "the second one began a new origin");
        let first = &signing.chain().keys()[0];
        assert_eq!(read.chain().from(first).unwrap().len(), 3);
        let signed = Signing::new("ledger.example.com/apikeys", [7; 32]).unwrap();
        let note = signed.checkpoint(3, tlog::empty_root()).unwrap();
        assert_eq!(read.chain().open(note.as_bytes()).unwrap().size(), 3);
    }

    #[test]
    fn a_chain_with_a_changed_byte_is_refused() {
        let text = chain().chain().to_string();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(KeyChain::parse(&changed).is_err(), "byte {at}");
            }
            // The first key alone is what the chain once was.
            let cut = text.get(..at).filter(|cut| cut.lines().count() != 1);
            assert!(cut.is_none_or(|cut| KeyChain::parse(cut).is_err()), "cut at {at}");
        }
    }

    #[test]
    fn a_key_that_nobody_named_is_refused() {
        let text = chain().chain().to_string();
        let stranger = Signing::new("ledger.example.com/other", [1; 32]).unwrap();
        let forged = text.replacen("\n\n", &format!("\n{}\n\n", stranger.chain().newest()), 1);
        assert!(KeyChain::parse(&forged).is_err());
        let alone = format!("{}{}", chain().chain().keys()[0], "\n");
        let both = format!("{alone}{}\n", stranger.chain().newest());
        assert!(KeyChain::parse(&alone).is_ok() && KeyChain::parse(&both).is_err());
    }

    #[test]
    fn nothing_secret_is_printed() {
        let signing = chain();
        let text = signing.to_text();
        let seed = text.lines().next().unwrap();
        assert!(!format!("{signing:?}").contains(seed));
        let error = Signing::parse(&text.replacen(seed, "AAAA", 1)).unwrap_err();
        assert!(!error.to_string().contains("AAAA"), "{error}");
    }
}
