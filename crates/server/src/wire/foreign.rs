//! The secret of a key that was made elsewhere, as it is sent.

use std::fmt;

use keys::{ForeignSecret, Imported, Invalid, Prefix, Timestamp};
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::request::extract::{field, parse};

/// The secret that a key has already, and where it comes from: `sha256` or `secret`, not both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ImportSecret)]
pub(crate) struct Import {
    /// SHA-256 of its whole text: 64 hex digits, or base64 or base64url, with or without padding.
    #[schema(min_length = 43, max_length = 64)]
    sha256: Option<String>,
    /// Its whole text, of which only the SHA-256 is taken.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 512)]
    secret: Option<SentSecret>,
    /// What may be shown of it: its beginning, and at most half of it. Nothing by default.
    #[schema(min_length = 1, max_length = 24)]
    prefix: Option<String>,
    /// When it was made there.
    #[schema(format = DateTime)]
    created_at: Option<String>,
    /// When it was last used there.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// What it was made by.
    #[schema(min_length = 1, max_length = 100)]
    source: Option<String>,
}

impl Import {
    /// The import, once each field is checked. `now` is when it is sent.
    pub(super) fn checked(self, now: Timestamp) -> Result<ledger::Import, ApiError> {
        let prefix = self.prefix.as_deref().map(Prefix::of_foreign).transpose();
        let prefix = field("prefix", prefix)?;
        let digest = match (self.sha256, self.secret) {
            (Some(digest), None) => field("sha256", digest.parse())?,
            (None, Some(SentSecret(secret))) => {
                let secret = field("secret", secret)?;
                field("prefix", prefix.as_ref().map_or(Ok(()), |prefix| secret.may_show(prefix)))?;
                secret.digest()
            }
            (Some(_), Some(_)) => {
                return Err(ApiError::field("secret", "must not come with sha256"));
            }
            (None, None) => return Err(ApiError::field("sha256", "or secret must be there")),
        };
        let created_at: Option<Timestamp> = parse("created_at", self.created_at.as_deref())?;
        let last_used_at: Option<Timestamp> = parse("last_used_at", self.last_used_at.as_deref())?;
        for (name, time) in [("created_at", created_at), ("last_used_at", last_used_at)] {
            if time.is_some_and(|time| time > now) {
                return Err(ApiError::field(name, "must not lie in the future"));
            }
        }
        if last_used_at.is_some_and(|used| created_at.is_some_and(|made| used < made)) {
            return Err(ApiError::field("last_used_at", "must not be before created_at"));
        }
        let source = parse("source", self.source.as_deref())?;
        let imported = Imported { created_at, last_used_at, source };
        Ok(ledger::Import { digest, prefix, imported, repeat: None })
    }
}

/// A secret that was hashed while it was read, or what is wrong with it.
struct SentSecret(Result<ForeignSecret, Invalid>);

impl<'de> Deserialize<'de> for SentSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SentSecret, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = SentSecret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<SentSecret, E> {
                Ok(SentSecret(ForeignSecret::new(text)))
            }
        }

        deserializer.deserialize_str(Read)
    }
}
