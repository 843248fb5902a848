//! What a webhook is called.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A webhook's id: a UUID version 7, written in lower case with hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookId(Uuid);

impl WebhookId {
    /// An id from the moment of creation, in microseconds since 1970, and 10 random bytes.
    #[must_use]
    pub fn new(at: i64, random: [u8; 10]) -> WebhookId {
        let millis = u64::try_from(at.div_euclid(1000)).unwrap_or(0);
        WebhookId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// An id from its 16 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> WebhookId {
        WebhookId(Uuid::from_bytes(bytes))
    }

    /// Its 16 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }
}

/// A text is no [`WebhookId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID")]
pub struct InvalidId;

impl FromStr for WebhookId {
    type Err = InvalidId;

    /// Takes the hyphenated form only, so that an id has one spelling.
    fn from_str(text: &str) -> Result<WebhookId, InvalidId> {
        match Uuid::try_parse(text) {
            Ok(id) if id.as_hyphenated().to_string() == text => Ok(WebhookId(id)),
            Ok(_) | Err(_) => Err(InvalidId),
        }
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = WebhookId::new(1_767_323_045_000_000, [7; 10]);
        assert_eq!(id.to_string(), "019b7ca9-8c88-7707-8707-070707070707");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(WebhookId::from_bytes(id.to_bytes()), id);
        for other in ["019B7CA9-8C88-7707-8707-070707070707", "019b7ca98c887707870707070707070707"]
        {
            assert_eq!(other.parse::<WebhookId>(), Err(InvalidId));
        }
    }
}
