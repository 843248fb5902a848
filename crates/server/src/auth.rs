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
use ledger::{JournalOptions, NotGood, OwnToken, Tokens};
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use zeroize::Zeroizing;

use self::checked::Token;
pub use self::checked::{MaxRole, Plan};
pub use self::error::AuthError;
use self::jwks::Jwks;
pub use self::sources::Outside;
use self::sources::{Sources, Verified};
use self::token::{Claims, TokenKey, mint};
use crate::error::ApiError;

/// The longest token that is accepted.
const MAX_TOKEN: usize = 8 * 1024;
/// The number of verified tokens in the cache.
const CACHED_TOKENS: usize = 10_000;

/// Verifies tokens, and signs the service's own.
pub struct Auth {
    key: TokenKey,
    sources: Sources,
    /// What became of the service's own tokens.
    tokens: Arc<Tokens>,
    /// By SHA-256 of the token: verifying an Ed25519 signature takes 30 µs, a look-up less than one.
    checked: Cache<[u8; 32], Arc<Token>>,
}

impl Auth {
    /// Accepts the tokens that `key` signs, and those of `outside` if there is one.
    ///
    /// # Errors
    ///
    /// [`AuthError`] names the option to correct.
    pub fn new(key: TokenKey, outside: Option<Outside>) -> Result<Auth, AuthError> {
        let sources = Sources::new(key.verifier(), outside)?;
        let tokens =
            Arc::new(Tokens::new(JournalOptions::default().max_token_ttl_s, Arc::default()));
        Ok(Auth { key, sources, tokens, checked: Cache::new(CACHED_TOKENS) })
    }

    /// The same, with what the access journal says of the service's own tokens.
    pub(crate) fn with_tokens(self, tokens: &Arc<Tokens>) -> Auth {
        Auth { tokens: Arc::clone(tokens), ..self }
    }

    /// The text of a token of the service's own: always the same for the same token.
    pub(crate) fn text_of(&self, token: &OwnToken) -> Zeroizing<String> {
        Zeroizing::new(mint(&self.key, &Claims::from(token)))
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
                return self.admit(checked, now);
            }
            self.checked.remove(&digest);
            return Err(ApiError::bad_token("the token has expired"));
        }
        let verified = self.sources.check(token, now, epoch, self.tokens.max_ttl_s());
        let Verified { mut token, own } = verified.map_err(ApiError::bad_token)?;
        if let Some(own) = own {
            token.row = Some(self.tokens.see(&own).map_err(|why| self.refuse(why))?);
        }
        let token = Arc::new(token);
        self.checked.insert(digest, Arc::clone(&token));
        self.admit(token, now)
    }

    /// Counts a use of the token, unless it was ended.
    fn admit(&self, token: Arc<Token>, now: Timestamp) -> Result<Arc<Token>, ApiError> {
        if token.admit(now) { Ok(token) } else { Err(self.refuse(NotGood::Ended)) }
    }

    /// The answer is as for a token that has expired: only its bearer, whose signature is good, gets
    /// as far as this.
    #[cold]
    fn refuse(&self, why: NotGood) -> ApiError {
        ApiError::bad_token(match why {
            NotGood::Ended => {
                self.tokens.count_refused();
                "the token was ended before its time"
            }
            NotGood::SameId => "the token's jti is that of another token",
        })
    }

    /// The number of changes of the keys.
    pub(crate) fn epoch(&self) -> u64 {
        self.sources.jwks().map_or(0, Jwks::epoch)
    }

    /// Notifies of changes of the keys; `None` if they cannot change.
    pub(crate) fn key_changes(&self) -> Option<watch::Receiver<u64>> {
        self.sources.jwks().map(Jwks::changes)
    }

    /// Notifies when tokens of the service's own were ended.
    pub(crate) fn token_changes(&self) -> watch::Receiver<u64> {
        self.tokens.changes()
    }

    /// Whether a checked token would still be accepted, but for its time: it was not ended, and the
    /// key that verified it was not removed.
    pub(crate) fn is_accepted(&self, token: &Token) -> bool {
        let has_key = match (&token.key, self.sources.jwks()) {
            (Some(key), Some(jwks)) => token.epoch == jwks.epoch() || jwks.has(key),
            (Some(_), None) | (None, _) => true,
        };
        has_key && !token.is_ended()
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
