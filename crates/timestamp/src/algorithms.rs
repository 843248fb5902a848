//! The algorithms that authorities sign with.

use der::asn1::ObjectIdentifier as Oid;
use ring::digest::{Algorithm, Digest, SHA256, SHA384, SHA512, digest};
use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use sha2::Digest as _;
use webpki::ring as algorithms;

use crate::invalid::Invalid;
use crate::oids;

type Verification = &'static dyn SignatureVerificationAlgorithm;

/// RSA of 2,048 to 8,192 bits, by hash.
const RSA: [(Oid, Oid, Verification); 3] = [
    (oids::SHA_256, oids::RSA_SHA_256, algorithms::RSA_PKCS1_2048_8192_SHA256),
    (oids::SHA_384, oids::RSA_SHA_384, algorithms::RSA_PKCS1_2048_8192_SHA384),
    (oids::SHA_512, oids::RSA_SHA_512, algorithms::RSA_PKCS1_2048_8192_SHA512),
];

/// ECDSA, by hash: on either curve.
const ECDSA: [(Oid, Oid, [Verification; 2]); 3] = [
    (
        oids::SHA_256,
        oids::ECDSA_SHA_256,
        [algorithms::ECDSA_P256_SHA256, algorithms::ECDSA_P384_SHA256],
    ),
    (
        oids::SHA_384,
        oids::ECDSA_SHA_384,
        [algorithms::ECDSA_P256_SHA384, algorithms::ECDSA_P384_SHA384],
    ),
    (oids::SHA_512, oids::ECDSA_SHA_512, [&P256_SHA512, &P384_SHA512]),
];

/// All of them, for chains of certificates.
pub(crate) const ALL: &[Verification] = &[
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    &P256_SHA512,
    &P384_SHA512,
];

/// Those that a signer may mean who names this algorithm and this hash. With RSA some name the hash
/// twice, and some once (RFC 5754 §3.2); which curve it is its certificate says.
pub(crate) fn verifications(algorithm: Oid, digest: Oid) -> Result<Vec<Verification>, Invalid> {
    for (hash, with_hash, verification) in RSA {
        if digest == hash && (algorithm == oids::RSA || algorithm == with_hash) {
            return Ok(vec![verification]);
        }
    }
    let both = ECDSA.iter().find(|(hash, with, _)| digest == *hash && algorithm == *with);
    both.map(|(_, _, curves)| curves.to_vec()).ok_or(Invalid::Algorithm)
}

/// The hash of `bytes`.
pub(crate) fn hash(algorithm: Oid, bytes: &[u8]) -> Result<Digest, Invalid> {
    let by_oid: [(Oid, &'static Algorithm); 3] =
        [(oids::SHA_256, &SHA256), (oids::SHA_384, &SHA384), (oids::SHA_512, &SHA512)];
    let found = by_oid.into_iter().find(|(oid, _)| *oid == algorithm);
    found.map(|(_, algorithm)| digest(algorithm, bytes)).ok_or(Invalid::Algorithm)
}

/// Verifies with a key (SEC 1) that a hash has a signature (DER); `None` if it has not.
type Verify = fn(&[u8], &[u8], &[u8]) -> Option<()>;

/// ECDSA with SHA-512, which ring does not have and authorities use: by `RustCrypto`.
#[derive(Debug)]
struct EcdsaSha512 {
    curve: AlgorithmIdentifier,
    verify: Verify,
}

static P256_SHA512: EcdsaSha512 = EcdsaSha512 { curve: alg_id::ECDSA_P256, verify: with_p256 };
static P384_SHA512: EcdsaSha512 = EcdsaSha512 { curve: alg_id::ECDSA_P384, verify: with_p384 };

fn with_p256(key: &[u8], hash: &[u8], signature: &[u8]) -> Option<()> {
    use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
    let signature = p256::ecdsa::Signature::from_der(signature).ok()?;
    key.verify_prehash(hash, &signature).ok()
}

fn with_p384(key: &[u8], hash: &[u8], signature: &[u8]) -> Option<()> {
    use p384::ecdsa::signature::hazmat::PrehashVerifier as _;
    let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
    let signature = p384::ecdsa::Signature::from_der(signature).ok()?;
    key.verify_prehash(hash, &signature).ok()
}

impl SignatureVerificationAlgorithm for EcdsaSha512 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let hash = sha2::Sha512::digest(message);
        (self.verify)(public_key, &hash, signature).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.curve
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA512
    }
}
