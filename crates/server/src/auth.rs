//! Who calls: tokens from three kinds of sources, checked once and remembered by their digest.

pub(crate) mod bearer;
pub(crate) mod checked;
mod claims;
mod error;
mod jwk;
mod jwks;
pub(crate) mod last;
mod sources;
pub mod token;

use std::sync::Arc;
#[cfg(test)]
use std::time::Instant;

use keys::Timestamp;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use self::checked::Token;
pub use self::checked::{MaxRole, Plan};
pub use self::error::AuthError;
use self::jwks::Jwks;
pub use self::sources::Outside;
use self::sources::Sources;
use self::token::TokenVerifier;
use crate::error::ApiError;

/// The longest token that is looked at.
const MAX_TOKEN: usize = 8 * 1024;
/// How many checked tokens are remembered.
const REMEMBERED: usize = 10_000;

/// Checks tokens.
pub struct Auth {
    sources: Sources,
    /// By SHA-256 of the token: an Ed25519 check costs 30 µs, this less than one.
    checked: Cache<[u8; 32], Arc<Token>>,
}

impl Auth {
    /// Accepts the tokens of `own`, and of `outside` if there is one.
    ///
    /// # Errors
    ///
    /// [`AuthError`] says what to correct.
    pub fn new(own: TokenVerifier, outside: Option<Outside>) -> Result<Auth, AuthError> {
        Ok(Auth { sources: Sources::new(own, outside)?, checked: Cache::new(REMEMBERED) })
    }

    /// Who bears `token`, as of `now`.
    pub(crate) fn check(&self, token: &str, now: Timestamp) -> Result<Arc<Token>, ApiError> {
        if token.len() > MAX_TOKEN {
            return Err(ApiError::bad_token("the token is longer than 8192 bytes"));
        }
        // Before anything is checked: what the old keys signed is then of an old epoch, even if the
        // keys change meanwhile.
        let epoch = self.epoch();
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(checked) = self.checked.get(&digest).filter(|checked| checked.epoch == epoch) {
            if now < checked.expires_at {
                return Ok(checked);
            }
            self.checked.remove(&digest);
            return Err(ApiError::bad_token("the token has expired"));
        }
        let token = self.sources.check(token, now, epoch);
        let token = Arc::new(token.map_err(ApiError::bad_token)?);
        self.checked.insert(digest, Arc::clone(&token));
        Ok(token)
    }

    /// How often the keys have changed.
    pub(crate) fn epoch(&self) -> u64 {
        self.sources.jwks().map_or(0, Jwks::epoch)
    }

    /// Hears when the keys change, if they can.
    pub(crate) fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.sources.jwks().map(Jwks::changes)
    }

    /// Whether the key of a checked token is still accepted.
    pub(crate) fn is_key_accepted(&self, token: &Token) -> bool {
        match (&token.key, self.sources.jwks()) {
            (Some(key), Some(jwks)) => token.epoch == jwks.epoch() || jwks.has(key),
            (Some(_), None) | (None, _) => true,
        }
    }

    /// Why an issuer's tokens are refused, all of them.
    pub(crate) fn unusable(&self) -> Option<&'static str> {
        self.sources.jwks().filter(|jwks| jwks.is_refused()).map(|_| {
            "the JWKS file cannot be used: tokens of its issuer are refused until it is put right"
        })
    }

    /// Keeps the keys of the issuer's file as new as the file; ends at once if there is none.
    pub(crate) async fn keep_keys(&self) {
        if let Some(jwks) = self.sources.jwks() {
            jwks.keep().await;
        }
    }

    /// Looks at the issuer's file now.
    #[cfg(test)]
    fn look(&self, now: Instant) {
        if let Some(jwks) = self.sources.jwks() {
            jwks.look(now);
        }
    }
}

#[cfg(test)]
#[path = "auth/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "auth/jwks_tests.rs"]
mod jwks_tests;
