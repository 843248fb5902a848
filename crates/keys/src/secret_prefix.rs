//! The word that an account's keys begin with in place of `kl`: `acme` makes `acme_live_…`.

use std::fmt;
use std::str::FromStr;

use crate::invalid::Invalid;

/// The most characters of a word: with so many, what may be shown of a sandbox key just fits a
/// [`Prefix`](crate::Prefix).
pub(crate) const LONGEST: usize = 16;
/// The word of keys whose account has none of its own.
pub(crate) const DEFAULT: &str = "kl";
/// What the keys of dialects begin with, up to where a native key's word ends.
pub(crate) const TAKEN: [&str; 4] = ["ak", "csk", "pk", "sk"];

/// The word that native keys of an account begin with: 2 to 16 lower-case letters and digits, a
/// letter first, and not what the keys of a dialect begin with.
///
/// ```
/// use keys::{Dialect, Environment, Kind, SecretPrefix};
///
/// let format = Dialect::Native.format(Kind::Secret, Environment::Live);
/// let own = format.with_prefix(SecretPrefix::new("acme")?);
/// assert_eq!(own.beginning().as_str(), "acme_live_");
/// assert!(SecretPrefix::new("sk").is_err());
/// # Ok::<(), keys::Invalid>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretPrefix {
    length: u8,
    bytes: [u8; LONGEST],
}

impl SecretPrefix {
    /// Checks a word.
    ///
    /// # Errors
    ///
    /// [`Invalid`] for any other text.
    pub fn new(text: &str) -> Result<SecretPrefix, Invalid> {
        let expected = if TAKEN.contains(&text) {
            "another word: the keys of a dialect begin with this one"
        } else {
            "2 to 16 lower-case letters and digits, a letter first: acme makes acme_live_… and \
             acme_sandbox_…"
        };
        let malformed = Invalid::Malformed { expected };
        if !is_word(text.as_bytes()) || TAKEN.contains(&text) {
            return Err(malformed);
        }
        let mut bytes = [0; LONGEST];
        match (u8::try_from(text.len()), bytes.get_mut(..text.len())) {
            (Ok(length), Some(place)) => {
                place.copy_from_slice(text.as_bytes());
                Ok(SecretPrefix { length, bytes })
            }
            (_, _) => Err(malformed),
        }
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.length));
        text.and_then(|text| str::from_utf8(text).ok())
            .unwrap_or_else(|| unreachable!("at most 16 characters, of ASCII"))
    }
}

impl FromStr for SecretPrefix {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<SecretPrefix, Invalid> {
        SecretPrefix::new(text)
    }
}

impl fmt::Debug for SecretPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a text could be the word of a key.
pub(crate) fn is_word(text: &[u8]) -> bool {
    (2..=LONGEST).contains(&text.len())
        && text.first().is_some_and(u8::is_ascii_lowercase)
        && text.iter().copied().all(is_of_word)
}

/// Whether a word may have this character.
pub(crate) fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}
