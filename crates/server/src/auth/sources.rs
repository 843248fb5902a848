//! The sources of tokens, and the algorithms that each may use. A token chooses neither its algorithm
//! nor its key; it can only name one that is configured.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use keys::{Timestamp, bounds};
use ledger::OwnToken;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::checked::{MaxRole, Token};
use super::claims::Claims;
use super::error::AuthError;
use super::jwk::KeyDigest;
use super::jwks::Jwks;
use super::token::{ISSUER, TokenVerifier};

/// RFC 7518 §3.2: as long as the hash.
const MIN_SECRET: usize = 32;

/// The key is not in the file.
pub(super) const UNKNOWN_KEY: &str = "the token's key is not known";

/// An outside issuer.
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
    /// How long its last valid keys are accepted while the file is missing or invalid.
    pub jwks_grace: Duration,
    /// The highest role that its tokens grant.
    pub max_role: MaxRole,
    /// Whether its tokens may have the account `*`.
    pub all_accounts: bool,
}

/// All sources of one service.
pub(super) struct Sources {
    own: TokenVerifier,
    outside: Option<OutsideSource>,
}

/// What a good signature and good claims give.
pub(super) struct Verified {
    pub(super) token: Token,
    /// What is recorded and remembered of it, if it is one of the service's own.
    pub(super) own: Option<OwnToken>,
}

struct OutsideSource {
    issuer: String,
    audience: String,
    max_role: MaxRole,
    all_accounts: bool,
    secret: Option<DecodingKey>,
    jwks: Option<Jwks>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// RFC 7515 §4.1.11: extensions that must be understood; none are.
    crit: Option<serde_json::Value>,
}

impl Sources {
    pub(super) fn new(own: TokenVerifier, outside: Option<Outside>) -> Result<Sources, AuthError> {
        let outside = outside.map(OutsideSource::new).transpose()?;
        Ok(Sources { own, outside })
    }

    /// The JWKS file of the outside issuer, if it has one.
    pub(super) fn jwks(&self) -> Option<&Jwks> {
        self.outside.as_ref()?.jwks.as_ref()
    }

    /// Verifies a token: its signature by the key of its source, then its claims. `epoch` is that of
    /// the keys, or an older one. One of the service's own lives at most `max_ttl_s`.
    pub(super) fn check(
        &self,
        token: &str,
        now: Timestamp,
        epoch: u64,
        max_ttl_s: u64,
    ) -> Result<Verified, &'static str> {
        const SHAPE: &str = "the token is not a signed JWT";
        let (message, signature) = token.rsplit_once('.').ok_or(SHAPE)?;
        let (header, payload) = message.split_once('.').ok_or(SHAPE)?;
        let header: Header = part(header).ok_or(SHAPE)?;
        let claims: Claims = part(payload).ok_or(SHAPE)?;
        if header.crit.is_some() {
            return Err("the token has extensions that are not understood");
        }
        // The unverified issuer only selects the source that must verify the token.
        let issuer = claims.issuer()?;
        if issuer == ISSUER {
            let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SHAPE)?;
            if header.alg != "EdDSA" || !self.own.verify(message.as_bytes(), &signature) {
                return Err("the token's signature is wrong");
            }
            let (token, own) = claims.accept_own(now, max_ttl_s)?;
            return Ok(Verified { token: Token { epoch, ..token }, own: Some(own) });
        }
        let outside = self.outside.as_ref().filter(|outside| outside.issuer == issuer);
        let outside = outside.ok_or("the token's issuer is not known")?;
        let key = outside.verify(&header, message, signature)?;
        if !claims.is_for(&outside.audience) {
            return Err("the token is for another audience");
        }
        let token = claims.accept(now, outside.max_role, outside.all_accounts)?;
        Ok(Verified { token: Token { key, epoch, ..token }, own: None })
    }
}

impl OutsideSource {
    fn new(outside: Outside) -> Result<OutsideSource, AuthError> {
        // An audience is not recorded; nobody needs a longer one either.
        let is_name = |text: &str| bounds::ISSUER.check(text).is_ok();
        if !is_name(&outside.issuer) || !is_name(&outside.audience) || outside.issuer == ISSUER {
            return Err(AuthError::IssuerAndAudience);
        }
        if outside.secret.as_ref().is_some_and(|secret| secret.len() < MIN_SECRET) {
            return Err(AuthError::ShortSecret);
        }
        Ok(OutsideSource {
            issuer: outside.issuer,
            audience: outside.audience,
            max_role: outside.max_role,
            all_accounts: outside.all_accounts,
            secret: outside.secret.map(|secret| DecodingKey::from_secret(&secret)),
            jwks: outside
                .jwks
                .map(|path| Jwks::read(path, outside.jwks_grace, Instant::now()))
                .transpose()?,
        })
    }

    /// Verifies the signature. Returns the key of the JWKS file that verified it, if one did.
    fn verify(
        &self,
        header: &Header,
        message: &str,
        signature: &str,
    ) -> Result<Option<KeyDigest>, &'static str> {
        const WRONG: &str = "the token's signature is wrong";
        // The signature alone, not `jsonwebtoken::decode`, which would check issuer and audience too:
        // it refuses the algorithm's name of RFC 9864, and its errors do not name the claim that is
        // wrong.
        let by = |key: &DecodingKey, algorithm| {
            let verified =
                jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm);
            verified.unwrap_or(false)
        };
        let algorithm = match header.alg.as_str() {
            "HS256" => {
                let secret = self.secret.as_ref().ok_or("HS256 is not accepted here")?;
                return if by(secret, Algorithm::HS256) { Ok(None) } else { Err(WRONG) };
            }
            // `Ed25519` is RFC 9864's name for EdDSA over the only curve that is accepted.
            "EdDSA" | "Ed25519" => Algorithm::EdDSA,
            "RS256" => Algorithm::RS256,
            "ES256" => Algorithm::ES256,
            _ => return Err("the token's algorithm is not accepted"),
        };
        let jwks = self.jwks.as_ref().ok_or("the token's algorithm is not accepted")?;
        let set = jwks.set();
        let mut why = UNKNOWN_KEY;
        // Several keys may have one `kid`, as during a rotation.
        for key in set.find(header.kid.as_deref(), algorithm) {
            if by(&key.key, key.algorithm) {
                return Ok(Some(key.digest));
            }
            why = WRONG;
        }
        Err(why)
    }
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
