//! Who calls: tokens from three kinds of sources, checked once and remembered by their digest.

mod bearer;
mod claims;
mod jwk;
mod jwks;
mod last;
mod sources;
pub mod token;
mod who;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
#[cfg(test)]
use std::time::Instant;

use keys::Timestamp;
use ledger::{Identity, Role};
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use zeroize::Zeroizing;

pub(crate) use self::bearer::{Bearer, KeyChanges};
use self::jwk::KeyDigest;
use self::jwks::Jwks;
pub(crate) use self::last::LastToken;
use self::sources::Sources;
use self::token::TokenVerifier;
pub(crate) use self::who::{
    AUDIT, Authenticated, EXPIRE, MANAGE, Reader, VERIFY, bearer_text, caller, not_a_key, require,
};
use crate::error::ApiError;

/// The longest token that is looked at.
const MAX_TOKEN: usize = 8 * 1024;
/// How many checked tokens are remembered.
const REMEMBERED: usize = 10_000;
/// A key that the file does not have.
const UNKNOWN_KEY: &str = "the token's key is not known";

/// Why the sources of tokens cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Issuer or audience are missing.
    #[error("tokens from outside need --jwt-issuer and --jwt-audience, the issuer not 'keyledger'")]
    IssuerAndAudience,
    /// The HS256 secret is too short.
    #[error("the HS256 secret must have at least 32 bytes")]
    ShortSecret,
    /// A file cannot be read.
    #[error("cannot read {path}: {source}; check --jwks-file")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The JWKS file has no key that can be used.
    #[error(
        "{path} is no JWKS of at most 1 MiB, or has keys and none of EdDSA, RS256 or ES256 that can \
         be used; check --jwks-file"
    )]
    NoKeys {
        /// The file.
        path: PathBuf,
    },
}

/// An issuer outside.
#[derive(Clone)]
pub struct Outside {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be or hold.
    pub audience: String,
    /// The secret of HS256 tokens, at least 32 bytes.
    pub secret: Option<Zeroizing<Vec<u8>>>,
    /// The file with public keys.
    pub jwks: Option<PathBuf>,
    /// How long its last good keys count when it is missing or broken.
    pub jwks_grace: Duration,
    /// The most that its tokens give.
    pub max_role: MaxRole,
    /// Whether its tokens may say account `*`.
    pub all_accounts: bool,
}

/// The most that an outside issuer's tokens give; roles beyond it are not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxRole {
    /// To verify.
    Verifier,
    /// To read.
    Auditor,
    /// To expire what is due.
    Worker,
    /// All that a client does: to verify and to read are parts of it.
    Owner,
    /// Everything.
    Admin,
}

impl MaxRole {
    fn allows(self, role: Role) -> bool {
        match self {
            MaxRole::Verifier => role == Role::Verifier,
            MaxRole::Auditor => role == Role::Auditor,
            MaxRole::Worker => role == Role::Worker,
            MaxRole::Owner => matches!(role, Role::Owner | Role::Verifier | Role::Auditor),
            MaxRole::Admin => true,
        }
    }
}

impl FromStr for MaxRole {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<MaxRole, &'static str> {
        match text {
            "verifier" => Ok(MaxRole::Verifier),
            "auditor" => Ok(MaxRole::Auditor),
            "worker" => Ok(MaxRole::Worker),
            "owner" => Ok(MaxRole::Owner),
            "admin" => Ok(MaxRole::Admin),
            _ => Err("must be one of: verifier auditor worker owner admin"),
        }
    }
}

/// What the bearer's account pays for; some dialects ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plan {
    /// The least, and what a token without a plan has.
    Free,
    /// More.
    Pro,
    /// More again.
    Team,
    /// The most.
    Enterprise,
}

impl Plan {
    fn of(text: &str) -> Plan {
        match text {
            "pro" => Plan::Pro,
            "team" => Plan::Team,
            "enterprise" => Plan::Enterprise,
            _ => Plan::Free,
        }
    }
}

/// A checked token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) identity: Arc<Identity>,
    pub(crate) plan: Plan,
    /// Until when it is accepted, leeway included.
    pub(crate) expires_at: Timestamp,
    /// The key of the issuer's file that it was checked with, if it was one of those.
    key: Option<KeyDigest>,
    /// [`Auth::epoch`] before it was checked: of another epoch it is checked again.
    epoch: u64,
}

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
        if let Some(known) = self.checked.get(&digest).filter(|known| known.epoch == epoch) {
            if now < known.expires_at {
                return Ok(known);
            }
            self.checked.remove(&digest);
            return Err(ApiError::bad_token("the token has expired"));
        }
        let checked = self.sources.check(token, now, epoch);
        let token = Arc::new(checked.map_err(ApiError::bad_token)?);
        self.checked.insert(digest, Arc::clone(&token));
        Ok(token)
    }

    /// How often the keys have changed.
    fn epoch(&self) -> u64 {
        self.sources.jwks().map_or(0, Jwks::epoch)
    }

    /// Hears when the keys change, if they can.
    fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.sources.jwks().map(Jwks::changes)
    }

    /// Whether the key of a checked token counts still.
    fn stands(&self, token: &Token) -> bool {
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
