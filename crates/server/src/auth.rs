//! Authentication: tokens of three kinds of sources, verified once and cached by their digest.

pub(crate) mod bearer;
pub(crate) mod checked;
mod claims;
mod error;
pub(crate) mod guesses;
mod jwk;
mod jwks;
pub(crate) mod last_token;
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

/// The longest token that is accepted.
const MAX_TOKEN: usize = 8 * 1024;
/// The number of verified tokens in the cache.
const CACHED_TOKENS: usize = 10_000;

/// Verifies tokens.
pub struct Auth {
    sources: Sources,
    /// By SHA-256 of the token: verifying an Ed25519 signature takes 30 µs, a look-up less than one.
    checked: Cache<[u8; 32], Arc<Token>>,
}

impl Auth {
    /// Accepts the tokens of `own`, and of `outside` if there is one.
    ///
    /// # Errors
    ///
    /// [`AuthError`] names the option to correct.
    pub fn new(own: TokenVerifier, outside: Option<Outside>) -> Result<Auth, AuthError> {
        Ok(Auth { sources: Sources::new(own, outside)?, checked: Cache::new(CACHED_TOKENS) })
    }

    /// The bearer of `token` at `now`.
    pub(crate) fn check(&self, token: &str, now: Timestamp) -> Result<Arc<Token>, ApiError> {
        if token.len() > MAX_TOKEN {
            return Err(ApiError::bad_token("the token is longer than 8192 bytes"));
        }
        // Read before the check: a token that the old keys verified then has the old epoch, even when
        // the keys change in between.
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

    /// The number of changes of the keys.
    pub(crate) fn epoch(&self) -> u64 {
        self.sources.jwks().map_or(0, Jwks::epoch)
    }

    /// Notifies of changes of the keys; `None` if they cannot change.
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

    /// Why all tokens of the outside issuer are refused, if they are.
    pub(crate) fn unusable(&self) -> Option<&'static str> {
        self.sources.jwks().filter(|jwks| jwks.is_refused()).map(|_| {
            "the JWKS file cannot be used: tokens of its issuer are refused until it is put right"
        })
    }

    /// Reloads the issuer's file when it changes; returns at once if there is none.
    pub(crate) async fn keep_keys(&self) {
        if let Some(jwks) = self.sources.jwks() {
            jwks.keep().await;
        }
    }

    /// Reloads the issuer's file now.
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
