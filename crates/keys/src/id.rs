//! The identity of a key.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::invalid::Invalid;
use crate::time::Timestamp;

/// A key's id: a UUID version 7 (RFC 9562 §5.7), written in lower case with hyphens.
///
/// ```
/// use keys::{KeyId, Timestamp};
///
/// let id = KeyId::new(Timestamp::from_secs(1_767_323_045), [7; 10]);
/// assert_eq!(id.to_string(), "019b7ca9-8c88-7707-8707-070707070707");
/// assert_eq!(id.to_string().parse(), Ok(id));
/// // One id has one spelling.
/// assert!("019b7ca98c887707870707070707070707".parse::<KeyId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Uuid);

impl KeyId {
    /// An id from the moment of creation and 10 random bytes.
    #[must_use]
    pub fn new(at: Timestamp, random: [u8; 10]) -> KeyId {
        // An id has no room for a moment before 1970: it gets the first one it can have.
        let millis = u64::try_from(at.micros().div_euclid(1000)).unwrap_or(0);
        KeyId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// An id from its 16 stored bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> KeyId {
        KeyId(Uuid::from_bytes(bytes))
    }

    /// What of it does not come from the moment of creation: nearly all of its 10 random bytes.
    #[must_use]
    pub fn random_part(self) -> [u8; 10] {
        let [_, _, _, _, _, _, rest @ ..] = self.to_bytes();
        rest
    }

    /// What is displayed, written into `buffer`.
    #[must_use]
    pub fn text(self, buffer: &mut [u8; 36]) -> &str {
        self.0.as_hyphenated().encode_lower(buffer)
    }

    /// The 16 bytes to store.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }
}

impl FromStr for KeyId {
    type Err = Invalid;

    /// Takes the hyphenated form only, so that an id has one spelling.
    fn from_str(text: &str) -> Result<KeyId, Invalid> {
        match Uuid::try_parse(text) {
            Ok(id) if text.len() == 36 => Ok(KeyId(id)),
            Ok(_) | Err(_) => Err(Invalid::Malformed { expected: "a UUID" }),
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
