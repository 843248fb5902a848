//! One key of a JWKS (RFC 7517 §4): which keys are accepted, with which algorithm, and why others
//! are not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// RFC 7518 §3.3: an RSA key has 2048 bits or more.
const MIN_RSA_BYTES: usize = 256;
/// Longer ones only cost time.
const MAX_RSA_BYTES: usize = 1024;

/// SHA-256 of a key's id and parameters. A verified token stores it to refer to its key.
pub(super) type KeyDigest = [u8; 32];

/// One public key and the one algorithm it may be used with.
pub(super) struct PublicKey {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
    pub(super) digest: KeyDigest,
}

/// The key, or why it is not used.
pub(super) fn public_key(mut value: Value) -> Result<PublicKey, &'static str> {
    // RFC 9864 §2.2 gives EdDSA over this curve a name of its own.
    if let Some(alg) = value.get_mut("alg").filter(|alg| *alg == "Ed25519") {
        *alg = "EdDSA".into();
    }
    let jwk: Jwk = serde_json::from_value(value).map_err(|_| "it is no JWK of a known type")?;
    let common = &jwk.common;
    if common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
        return Err("its `use` is not `sig`");
    }
    if common.key_operations.as_ref().is_some_and(|ops| !ops.contains(&KeyOperations::Verify)) {
        return Err("its `key_ops` have no `verify`");
    }
    let (algorithm, declared, parts) = kind(&jwk.algorithm)?;
    if common.key_algorithm.is_some_and(|named| named != declared) {
        return Err("its `alg` is not the one accepted of its type");
    }
    let key = DecodingKey::from_jwk(&jwk).map_err(|_| "its parts make no key")?;
    let mut digest = Sha256::new();
    let name = common.key_id.as_deref().unwrap_or_default();
    for part in [name].into_iter().chain(parts) {
        // Length-prefixed, so that no two lists of parts have the same encoding.
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest = digest.finalize().into();
    Ok(PublicKey { kid: common.key_id.clone(), algorithm, key, digest })
}

type Kind<'a> = (Algorithm, KeyAlgorithm, [&'a str; 2]);

/// The algorithm of a type of key, and the parts it is made of.
fn kind(parameters: &AlgorithmParameters) -> Result<Kind<'_>, &'static str> {
    let size = |part: &str| URL_SAFE_NO_PAD.decode(part).map_or(0, |bytes| bytes.len());
    match parameters {
        AlgorithmParameters::OctetKeyPair(key) => {
            if key.curve != EllipticCurve::Ed25519 || size(&key.x) != 32 {
                return Err("it is not on the curve Ed25519");
            }
            Ok((Algorithm::EdDSA, KeyAlgorithm::EdDSA, [&key.x, ""]))
        }
        AlgorithmParameters::EllipticCurve(key) => {
            if key.curve != EllipticCurve::P256 || size(&key.x) != 32 || size(&key.y) != 32 {
                return Err("it is not on the curve P-256");
            }
            Ok((Algorithm::ES256, KeyAlgorithm::ES256, [&key.x, &key.y]))
        }
        AlgorithmParameters::RSA(key) => {
            if size(&key.n) < MIN_RSA_BYTES {
                return Err("its modulus has fewer than 2048 bits");
            }
            if size(&key.n) > MAX_RSA_BYTES || size(&key.e) > 8 {
                return Err("its modulus has more than 8192 bits, or its exponent more than 64");
            }
            Ok((Algorithm::RS256, KeyAlgorithm::RS256, [&key.n, &key.e]))
        }
        AlgorithmParameters::OctetKey(_) => Err("it is symmetric: a secret is no public key"),
    }
}
