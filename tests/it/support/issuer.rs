//! An issuer of tokens outside, with a key for each algorithm that is accepted from one.
//!
//! The keys were made for these tests and sign nothing else. They are fixed because making an RSA
//! key takes seconds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// RSA, 2048 bits (RFC 8017 appendix A.1.2).
const RSA_PRIVATE: &str = concat!(
    "MIIEowIBAAKCAQEAhwl84_Bil0P1DxY58kGn-frFghqB3b6Mw6MuicQHTBxSnBnjHVQYZMTChRULGJV-xcSsp0EbRG8D",
    "OMRaR_tzJ1Mq5-TxPa4BVGUbRWPc_XxxwPBwCr8gG-bbRLaK8bb3um_tbWHPFU7kicWAIUi3e5jMUELE2TKeerRhi6S0",
    "np8OydIo6tFCrBEj2Kkq7djuM-N63cDgH3IKjj2-9AZcUEGD0GCHmdJaWQw5f5iVwFcdUFctFsGdWt7FV4cmhNDU5nO4",
    "1yjGlwTCYXHU7DTrf8ngyWNExRvTkCbDwVzi9FOUBrNeWTxL790gt1v2ehzIEzPxCXL2H7ZwfuIjJKh9SQIDAQABAoIB",
    "ACrbVINFFg06-KoWnEJqGwUn1QpTHldBdAxdHFaF2-kIbiFzx9RVjb5hgfjZsmFVhNwAbOlSLPS9pNCd5KdGwwe-ifX5",
    "_6RbNrnRsuOFa6wZlEKvLGgEu4yPapS2uIc5UgseHcTiz2XMWZTuFRm7Kdx0pJducWobeheoavL2TYqvq2dJiC4-nv2M",
    "a91pFVF_Ib_T0FXGRNcWGKyG6yqTB7zSEqJqO6dEAtuIV7RnyP1AWjcK1JmloDrQO23kYchoKhxQfa80rGYysJ8_oUlq",
    "5GLdls6l45uPOQ2TJy7qxUOD6kVzJJkSbFl350LUedWbtC7IxaZ14ML6lw4S5zndRT8CgYEAvcnrelUx4LxXUMhOlRfS",
    "2AeBUojBFO8YHDhxfnyOrnrb9cDCgp2706L85IgL0B_esFVhhCc3zKBVHYfVQ9AlFDILZyBkOr4WaPZLEQ7Nibn4GoP0",
    "5q7yGKV-dhQOoX7nQ4h9z5MY2an9kbEklmOnqMab0vv877mZagl7NgnkSuMCgYEAtiWuZ3JxUSiXAZinNLNNtb2kOyGi",
    "_XTbu-bSXdPUk226ldCwKrC0qGEO90T2CyLAnl4Oi37JyaJETy-k5HAHqAJNsnCjesWJ6YPc3hSNwSZ7A2uoRgGyaLIT",
    "OEEJ_k2DItUAAt9hwz-ftUsIlA6io8hTtEmEe_EiSVaTxENrcuMCgYAB0NO66OPARa0ELdZqoL64qGG5W2uVerAdXQDg",
    "9-oZiz1dfYme3El2veFzgkWyqQtlXnu_WuyyvXny_WCx9GTWa6AmTW4IDdeDC5AuSpj2z1urTUXjixrv1219TbXSH7ew",
    "sraZbMvZEUJGyY4TDkMFX1kQTK7f0EPCevK90pxnhwKBgF0D0xMamwlh2_NBvCkqY0WqyUI1BCHAWjGTRtwJP6XlxAGb",
    "Z0r1n9vYbKcS_T5kic6Vo4HSxkMEbTOu1dqd5xsByiGUabdZRvsLjm-OOXFoMCtn_694UF4siaoRdIP7mzrfYLkWz7rA",
    "M9OFtKS-8IkI1M3dOR193w9qed0gvK8XAoGBAKoKWvMcRzXz2d2tbXM8w_80gHiPvX8CCPYcgfalRAYkdrjSuSq6aNK5",
    "uVwxDn3JBQuVzxLIv7cnJqzzoPBOmamTSOavjrbpAzjiplS2aXKbCdDOFGcYIcMAMJu_v0RyQCiBWIGRJg45f6rA_7P8",
    "sZDyzHS1W2jRM3XznXioElUX",
);
/// Its modulus, the public half.
const RSA_MODULUS: &str = concat!(
    "hwl84_Bil0P1DxY58kGn-frFghqB3b6Mw6MuicQHTBxSnBnjHVQYZMTChRULGJV-xcSsp0EbRG8DOMRaR_tzJ1Mq5-Tx",
    "Pa4BVGUbRWPc_XxxwPBwCr8gG-bbRLaK8bb3um_tbWHPFU7kicWAIUi3e5jMUELE2TKeerRhi6S0np8OydIo6tFCrBEj",
    "2Kkq7djuM-N63cDgH3IKjj2-9AZcUEGD0GCHmdJaWQw5f5iVwFcdUFctFsGdWt7FV4cmhNDU5nO41yjGlwTCYXHU7DTr",
    "f8ngyWNExRvTkCbDwVzi9FOUBrNeWTxL790gt1v2ehzIEzPxCXL2H7ZwfuIjJKh9SQ",
);
/// P-256 (RFC 5208).
const P256_PRIVATE: &str = concat!(
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgikRZrNBbryFD5MM2WUssPEYNsE0oHLgagPjPyAEOuNSh",
    "RANCAARExQI122jyb1-8LInaHG4nmkdnf10Aga_aGIjVMNiJFK8AjWgioACq6_1-B_-znwmNDlCehcU3sqkhRAndyRbR",
);
/// Its point, the public half.
const P256_X: &str = "RMUCNdto8m9fvCyJ2hxuJ5pHZ39dAIGv2hiI1TDYiRQ";
/// And the other coordinate.
const P256_Y: &str = "rwCNaCKgAKrr_X4H_7OfCY0OUJ6FxTeyqSFECd3JFtE";

/// A key of the issuer.
pub(crate) struct IssuerKey {
    /// What its tokens and its JWK call it.
    pub(crate) kid: &'static str,
    pub(crate) algorithm: Algorithm,
    private: EncodingKey,
    /// The public half, as it stands in a JWKS file.
    pub(crate) jwk: Value,
}

impl IssuerKey {
    pub(crate) fn eddsa() -> IssuerKey {
        IssuerKey::ed25519("ed", 5)
    }

    /// One whose key is in no file.
    pub(crate) fn stranger() -> IssuerKey {
        IssuerKey::ed25519("strange", 6)
    }

    fn ed25519(kid: &'static str, seed: u8) -> IssuerKey {
        let public = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
        // RFC 8410 §7: the seed behind a fixed head.
        let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
        der.extend([seed; 32]);
        let x = URL_SAFE_NO_PAD.encode(public.as_bytes());
        IssuerKey {
            kid,
            algorithm: Algorithm::EdDSA,
            private: EncodingKey::from_ed_der(&der),
            jwk: json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x}),
        }
    }

    pub(crate) fn rs256() -> IssuerKey {
        IssuerKey {
            kid: "rsa",
            algorithm: Algorithm::RS256,
            private: EncodingKey::from_rsa_der(&URL_SAFE_NO_PAD.decode(RSA_PRIVATE).unwrap()),
            jwk: json!({"kty": "RSA", "use": "sig", "kid": "rsa", "n": RSA_MODULUS, "e": "AQAB"}),
        }
    }

    pub(crate) fn es256() -> IssuerKey {
        let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "ec", "x": P256_X, "y": P256_Y});
        IssuerKey {
            kid: "ec",
            algorithm: Algorithm::ES256,
            private: EncodingKey::from_ec_der(&URL_SAFE_NO_PAD.decode(P256_PRIVATE).unwrap()),
            jwk,
        }
    }

    pub(crate) fn all() -> [IssuerKey; 3] {
        [IssuerKey::eddsa(), IssuerKey::rs256(), IssuerKey::es256()]
    }

    /// A token that says `claims`.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let alg = format!("{:?}", self.algorithm);
        self.signed(&json!({"alg": alg, "kid": self.kid}), claims)
    }

    /// What this key signs, whatever the header says.
    pub(crate) fn signed(&self, header: &Value, claims: &Value) -> String {
        signed(header, claims, &self.private, self.algorithm)
    }
}

/// A token by a shared secret, whatever the header says.
pub(crate) fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    signed(header, claims, &EncodingKey::from_secret(secret), Algorithm::HS256)
}

/// Header and claims, without a signature.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn signed(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = unsigned(header, claims);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}
