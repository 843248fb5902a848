//! Keys of an issuer outside, from a JWKS file (RFC 7517 §5) that is read again when it changes.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::AuthError;

/// The largest file that is read.
const MAX_FILE: u64 = 1 << 20;
/// RFC 7518 §3.3: an RSA key has 2048 bits or more.
const MIN_RSA_BYTES: usize = 256;
/// Longer ones only cost time.
const MAX_RSA_BYTES: usize = 1024;

/// One public key and the one algorithm it may be used with.
pub(super) struct PublicKey {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// What tells one state of the file from another.
type Stamp = (Option<SystemTime>, u64);

/// The keys in the file when it was last read.
pub(super) struct Jwks {
    path: PathBuf,
    stamp: Stamp,
    keys: Vec<PublicKey>,
}

impl Jwks {
    pub(super) fn read(path: PathBuf) -> Result<Jwks, AuthError> {
        let (stamp, keys) = load(&path)?;
        Ok(Jwks { path, stamp, keys })
    }

    /// Reads the file again if it changed; says whether other keys hold now. A file that cannot
    /// be read leaves the keys as they were.
    pub(super) fn refresh(&mut self) -> bool {
        if stamp(&self.path).is_ok_and(|stamp| stamp == self.stamp) {
            return false;
        }
        match load(&self.path) {
            Ok((stamp, keys)) => {
                tracing::info!(keys = keys.len(), "read the JWKS file again");
                (self.stamp, self.keys) = (stamp, keys);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the JWKS file changed but cannot be used; the keys stay");
                false
            }
        }
    }

    /// The key that a token names; without a name, the only one of its algorithm.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        let mut fitting = self.keys.iter().filter(|key| {
            key.algorithm == algorithm && (kid.is_none() || key.kid.as_deref() == kid)
        });
        let first = fitting.next();
        if kid.is_none() && fitting.next().is_some() { None } else { first }
    }
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let about = std::fs::metadata(path)?;
    Ok((about.modified().ok(), about.len()))
}

fn load(path: &Path) -> Result<(Stamp, Vec<PublicKey>), AuthError> {
    let unreadable = |source| AuthError::Unreadable { path: path.to_owned(), source };
    let stamp = stamp(path).map_err(unreadable)?;
    if stamp.1 > MAX_FILE {
        return Err(AuthError::NoKeys { path: path.to_owned() });
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    let keys = parse(&text);
    if keys.is_empty() {
        Err(AuthError::NoKeys { path: path.to_owned() })
    } else {
        Ok((stamp, keys))
    }
}

/// The usable keys of a JWKS; others (symmetric, for encryption, unknown) are passed over.
fn parse(text: &[u8]) -> Vec<PublicKey> {
    #[derive(serde::Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let Ok(set) = serde_json::from_slice::<Set>(text) else { return Vec::new() };
    set.keys
        .into_iter()
        .filter_map(|value| serde_json::from_value::<Jwk>(value).ok())
        .filter_map(|jwk| public_key(&jwk))
        .collect()
}

fn public_key(jwk: &Jwk) -> Option<PublicKey> {
    if jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
        return None;
    }
    let size = |part: &str| URL_SAFE_NO_PAD.decode(part).map_or(0, |bytes| bytes.len());
    let (algorithm, declared) = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(key)
            if key.curve == EllipticCurve::Ed25519 && size(&key.x) == 32 =>
        {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        AlgorithmParameters::EllipticCurve(key)
            if key.curve == EllipticCurve::P256 && size(&key.x) == 32 && size(&key.y) == 32 =>
        {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::RSA(key)
            if (MIN_RSA_BYTES..=MAX_RSA_BYTES).contains(&size(&key.n)) && size(&key.e) <= 8 =>
        {
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::OctetKeyPair(_)
        | AlgorithmParameters::EllipticCurve(_)
        | AlgorithmParameters::RSA(_)
        | AlgorithmParameters::OctetKey(_) => return None,
    };
    if jwk.common.key_algorithm.as_ref().is_some_and(|said| *said != declared) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some(PublicKey { kid: jwk.common.key_id.clone(), algorithm, key })
}
