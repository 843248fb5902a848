//! Where tokens come from, and which algorithms each source may use. Nothing else is accepted:
//! a token chooses neither its algorithm nor its key, it can only name one that is pinned.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use keys::{Account, Subject, Timestamp};
use ledger::{Duties, Duty, Identity, Scope, Via};
use parking_lot::RwLock;
use serde::Deserialize;

use super::jwks::Jwks;
use super::token::{ISSUER, Roles, TokenVerifier};
use super::{AuthError, MaxRole, Outside, Plan, Token};

/// How far two clocks may differ.
const LEEWAY_S: i64 = 30;
/// The longest secret, key id, issuer or token id that is kept.
const MAX_NAME: usize = 200;
/// RFC 7518 §3.2: as long as the hash.
const MIN_SECRET: usize = 32;

/// All sources of one service.
pub(super) struct Sources {
    own: TokenVerifier,
    outside: Option<OutsideSource>,
}

struct OutsideSource {
    issuer: String,
    audience: String,
    max_role: MaxRole,
    all_accounts: bool,
    secret: Option<DecodingKey>,
    jwks: Option<RwLock<Jwks>>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// RFC 7515 §4.1.11: extensions that must be understood; none are.
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Said {
    sub: Option<String>,
    account: Option<String>,
    role: Option<Roles>,
    plan: Option<String>,
    exp: Option<serde_json::Number>,
    nbf: Option<serde_json::Number>,
    iss: Option<String>,
    aud: Option<Roles>,
    jti: Option<String>,
}

/// Whether other keys hold since the last look.
#[derive(PartialEq, Eq)]
pub(super) enum Refreshed {
    Same,
    Changed,
}

impl Sources {
    pub(super) fn new(own: TokenVerifier, outside: Option<Outside>) -> Result<Sources, AuthError> {
        let outside = outside.map(OutsideSource::new).transpose()?;
        Ok(Sources { own, outside })
    }

    pub(super) fn refresh(&self) -> Refreshed {
        match self.outside.as_ref().and_then(|outside| outside.jwks.as_ref()) {
            Some(jwks) if jwks.write().refresh() => Refreshed::Changed,
            Some(_) | None => Refreshed::Same,
        }
    }

    /// Checks a token: its signature by the key of its source, then what it says.
    pub(super) fn check(&self, token: &str, now: Timestamp) -> Result<Token, &'static str> {
        const SHAPE: &str = "the token is not a signed JWT";
        let (message, signature) = token.rsplit_once('.').ok_or(SHAPE)?;
        let (header, payload) = message.split_once('.').ok_or(SHAPE)?;
        let header: Header = part(header).ok_or(SHAPE)?;
        let said: Said = part(payload).ok_or(SHAPE)?;
        if header.crit.is_some() {
            return Err("the token has extensions that are not understood");
        }
        // What an unchecked token says only chooses the source it has to satisfy.
        let issuer = said.iss.as_deref().ok_or("the token names no issuer")?;
        if issuer == ISSUER {
            let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SHAPE)?;
            if header.alg != "EdDSA" || !self.own.verify(message.as_bytes(), &signature) {
                return Err("the token's signature is wrong");
            }
            return accept(&said, now, MaxRole::Admin, true);
        }
        let outside = self.outside.as_ref().filter(|outside| outside.issuer == issuer);
        let outside = outside.ok_or("the token's issuer is not known")?;
        outside.verify(&header, message, signature)?;
        if !said.aud.as_ref().is_some_and(|aud| aud.iter().any(|aud| aud == outside.audience)) {
            return Err("the token is for another audience");
        }
        accept(&said, now, outside.max_role, outside.all_accounts)
    }
}

impl OutsideSource {
    fn new(outside: Outside) -> Result<OutsideSource, AuthError> {
        let name = |text: &str| (1..=MAX_NAME).contains(&text.len());
        if !name(&outside.issuer) || !name(&outside.audience) || outside.issuer == ISSUER {
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
            jwks: outside.jwks.map(Jwks::read).transpose()?.map(RwLock::new),
        })
    }

    fn verify(&self, header: &Header, message: &str, signature: &str) -> Result<(), &'static str> {
        const WRONG: &str = "the token's signature is wrong";
        let by = |key: &DecodingKey, algorithm| match jsonwebtoken::crypto::verify(
            signature,
            message.as_bytes(),
            key,
            algorithm,
        ) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(WRONG),
        };
        let algorithm = match header.alg.as_str() {
            "HS256" => {
                let secret = self.secret.as_ref().ok_or("HS256 is not accepted here")?;
                return by(secret, Algorithm::HS256);
            }
            "EdDSA" => Algorithm::EdDSA,
            "RS256" => Algorithm::RS256,
            "ES256" => Algorithm::ES256,
            _ => return Err("the token's algorithm is not accepted"),
        };
        let jwks = self.jwks.as_ref().ok_or("the token's algorithm is not accepted")?.read();
        let key = jwks.find(header.kid.as_deref(), algorithm).ok_or(super::UNKNOWN_KEY)?;
        by(&key.key, key.algorithm)
    }
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// What a token that was signed as it must be gives its bearer.
fn accept(said: &Said, now: Timestamp, most: MaxRole, all: bool) -> Result<Token, &'static str> {
    let expires = said.exp.as_ref().and_then(seconds).ok_or("the token has no exp")?;
    let expires_at = Timestamp::from_secs(expires.saturating_add(LEEWAY_S));
    if expires_at <= now {
        return Err("the token has expired");
    }
    if let Some(from) = &said.nbf {
        let from = seconds(from).ok_or("the token's nbf is no time")?;
        if Timestamp::from_secs(from.saturating_sub(LEEWAY_S)) > now {
            return Err("the token does not hold yet");
        }
    }
    let subject = said.sub.as_deref().and_then(|sub| Subject::new(sub).ok());
    let subject = subject.ok_or("the token has no usable sub")?;
    let scope = match said.account.as_deref() {
        Some("*") if all => Scope::All,
        Some("*") => return Err("the token's issuer may not name all accounts"),
        Some(account) => {
            Scope::Account(Account::new(account).map_err(|_| "the token has no usable account")?)
        }
        None => return Err("the token has no account"),
    };
    let duties: Duties = said
        .role
        .iter()
        .flat_map(Roles::iter)
        .filter_map(duty)
        .filter(|d| most.allows(*d))
        .collect();
    if [&said.iss, &said.jti].into_iter().flatten().any(|name| name.len() > MAX_NAME) {
        return Err("the token's jti is too long");
    }
    let via = Via::Token {
        issuer: said.iss.as_deref().unwrap_or_default().into(),
        jti: said.jti.as_deref().map(Into::into),
    };
    let plan = said.plan.as_deref().map_or(Plan::Free, Plan::of);
    let identity = std::sync::Arc::new(Identity { subject, scope, duties, via });
    Ok(Token { identity, plan, expires_at })
}

/// RFC 7519 §2: a date may have a fraction, which is cut off.
fn seconds(number: &serde_json::Number) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "out of range becomes the nearest end")]
    number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64))
}

/// The duty of a role; an issuer may have other roles, which mean nothing here.
fn duty(role: &str) -> Option<Duty> {
    Some(match role {
        "owner" => Duty::Owner,
        "verifier" => Duty::Verifier,
        "auditor" => Duty::Auditor,
        "worker" => Duty::Worker,
        "admin" => Duty::Admin,
        _ => return None,
    })
}
