//! The ledger's own tokens, signed and verified with its token key (Ed25519), which signs nothing
//! else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use keys::Timestamp;
use ledger::OwnToken;
use serde::{Deserialize, Serialize, Serializer};

/// The issuer of the ledger's own tokens, in their `iss` claim and in the records made with them.
pub const ISSUER: &str = OwnToken::ISSUER;

/// The key that signs own tokens. `Debug` does not show it.
#[derive(Clone)]
pub struct TokenKey(SigningKey);

impl TokenKey {
    /// The key of a seed of 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> TokenKey {
        TokenKey(SigningKey::from_bytes(seed))
    }

    /// The public half, which verifies tokens and cannot make any.
    #[must_use]
    pub fn verifier(&self) -> TokenVerifier {
        TokenVerifier(self.0.verifying_key())
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey")
    }
}

/// The public half of a [`TokenKey`].
#[derive(Clone, Debug)]
pub struct TokenVerifier(VerifyingKey);

impl TokenVerifier {
    /// The bytes of the public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

/// One role, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Roles {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// The claims of an own token. Times are seconds since 1970 (RFC 7519 §2).
#[derive(Clone, Debug, Serialize)]
pub struct Claims {
    /// The subject.
    pub sub: String,
    /// The account, `*` for all.
    pub account: String,
    /// `owner`, `user`, `verifier`, `auditor`, `worker`, `admin`.
    pub role: Roles,
    /// `free`, `pro`, `team` or `enterprise`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// When it was made, to the microsecond: tokens are ended by when they were made, and one that
    /// is made right after must be good.
    #[serde(serialize_with = "with_fraction")]
    pub iat: Timestamp,
    /// When it becomes valid; at once if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// When it expires.
    pub exp: i64,
    /// Its id, which is in the records made with it, and by which it is ended.
    pub jti: String,
}

/// A double holds microseconds of this century exactly enough: rounded they come back.
#[expect(clippy::cast_precision_loss, reason = "less than a microsecond is lost")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn with_fraction<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(at.micros() as f64 / 1e6)
}

impl From<&OwnToken> for Claims {
    /// The claims of a token that the service makes.
    fn from(token: &OwnToken) -> Claims {
        Claims {
            sub: token.subject.as_str().to_owned(),
            account: token.account.as_ref().map_or("*", keys::Account::as_str).to_owned(),
            role: Roles::Many(token.roles.iter().map(|role| role.as_str().to_owned()).collect()),
            plan: None,
            iat: token.made_at,
            nbf: None,
            exp: token.ends_at.seconds(),
            jti: token.jti.as_ref().to_owned(),
        }
    }
}

/// A token with `claims`, issued by [`ISSUER`] for [`ISSUER`].
#[must_use]
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "strings and numbers are always JSON"
)]
pub fn mint(key: &TokenKey, claims: &Claims) -> String {
    #[derive(Serialize)]
    struct Issued<'a> {
        iss: &'a str,
        aud: &'a str,
        #[serde(flatten)]
        claims: &'a Claims,
    }
    let issued = Issued { iss: ISSUER, aud: ISSUER, claims };
    let payload = serde_json::to_vec(&issued).expect("strings and numbers alone");
    let mut token = URL_SAFE_NO_PAD.encode(br#"{"alg":"EdDSA","typ":"JWT"}"#);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.0.sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature.to_bytes(), &mut token);
    token
}
