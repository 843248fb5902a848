//! Signatures of Standard Webhooks: HMAC-SHA256 by the webhook's own secret (`v1`), and Ed25519 by
//! one key for all webhooks (`v1a`), whose public half anybody may read.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The Ed25519 key that signs all messages. Its secret half is erased when it is dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A new one.
    ///
    /// # Errors
    ///
    /// The system has no random bytes.
    pub fn random() -> Result<SigningKey, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())?;
        Ok(SigningKey::from_seed(&seed))
    }

    /// The key of a seed (RFC 8032 §5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> SigningKey {
        SigningKey(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads what [`SigningKey::to_line`] gave.
    #[must_use]
    pub fn parse(line: &str) -> Option<SigningKey> {
        let mut seed = Zeroizing::new([0; 32]);
        let length = URL_SAFE_NO_PAD.decode_slice(line.trim_end(), seed.as_mut()).ok()?;
        (length == seed.len()).then(|| SigningKey::from_seed(&seed))
    }

    /// The line to keep, secret: the seed in base64url.
    #[must_use]
    pub fn to_line(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(self.0.to_bytes());
        Zeroizing::new(URL_SAFE_NO_PAD.encode(*seed) + "\n")
    }

    /// The public half, as Standard Webhooks writes it: `whpk_` and base64.
    #[must_use]
    pub fn public_text(&self) -> String {
        format!("whpk_{}", STANDARD.encode(self.0.verifying_key().as_bytes()))
    }
}

/// The `webhook-signature` of a message: both signatures over `<id>.<timestamp>.<body>`, the
/// timestamp in seconds since 1970.
#[must_use]
pub fn sign(secret: &Secret, key: &SigningKey, id: &str, timestamp: i64, body: &[u8]) -> String {
    let symmetric = sign_by_secret(secret, id, timestamp, body);
    let asymmetric = STANDARD.encode(key.0.sign(&signed(id, timestamp, body)).to_bytes());
    format!("{symmetric} v1a,{asymmetric}")
}

/// The same without the one that anybody can check.
#[must_use]
pub fn sign_by_secret(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> String {
    // An HMAC takes a key of any length.
    let mac = Hmac::<Sha256>::new_from_slice(secret.bytes());
    let mut mac = mac.unwrap_or_else(|_| unreachable!("of any length"));
    mac.update(&signed(id, timestamp, body));
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn signed(id: &str, timestamp: i64, body: &[u8]) -> Vec<u8> {
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    signed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the reference libraries of Standard Webhooks.
    #[test]
    fn a_signature_is_that_of_the_reference() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let key = SigningKey::from_seed(&[7; 32]);
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = sign(&secret, &key, id, 1_614_265_330, br#"{"test": 2432232314}"#);
        let (symmetric, asymmetric) = signature.split_once(' ').unwrap();
        assert_eq!(symmetric, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

        let bytes = STANDARD.decode(asymmetric.strip_prefix("v1a,").unwrap()).unwrap();
        let signed = format!(r#"{id}.1614265330.{{"test": 2432232314}}"#);
        let public = STANDARD.decode(key.public_text().strip_prefix("whpk_").unwrap()).unwrap();
        let public = ed25519_dalek::VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
        let signature = ed25519_dalek::Signature::from_slice(&bytes).unwrap();
        public.verify_strict(signed.as_bytes(), &signature).unwrap();
        public.verify_strict(b"another", &signature).unwrap_err();
    }

    #[test]
    fn a_key_comes_back_from_its_line() {
        let key = SigningKey::random().unwrap();
        let again = SigningKey::parse(&key.to_line()).unwrap();
        assert_eq!(again.public_text(), key.public_text());
        for wrong in ["", "short\n", "not base64 at all, and long enough for one\n"] {
            assert!(SigningKey::parse(wrong).is_none(), "{wrong}");
        }
    }
}
