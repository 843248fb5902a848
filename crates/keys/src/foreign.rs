//! Secrets that were made elsewhere: their text, of which nothing stays, and their digest as others
//! write it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::bounds;
use crate::dialect::PUBLIC_FORMATS;
use crate::invalid::Invalid;
use crate::secret::{Digest, Prefix, is_presentable};

/// The most characters of a foreign secret that may be shown.
const MOST_SHOWN: usize = bounds::IMPORTED_PREFIX.most();

const NOT_A_DIGEST: Invalid =
    Invalid::Malformed { expected: "SHA-256 of the key: 64 hex digits, or base64 of its 32 bytes" };

/// The secret text of a key that was made elsewhere, hashed at once. `Debug` shows nothing of it.
///
/// A text that [`Digest::of_presented`] refuses is none: verify would never look it up. One that is
/// spelled like a key of this service, checksum and all, is as good as any other: it moves in from
/// another service of this kind. If it is from this one, its digest is there already.
///
/// ```
/// use keys::{Digest, ForeignSecret, Prefix};
///
/// let secret = ForeignSecret::new("acme_0123456789abcdef").unwrap();
/// assert_eq!(secret.digest(), Digest::of("acme_0123456789abcdef"));
/// assert!(secret.may_show(&Prefix::new("acme_01").unwrap()).is_ok());
/// assert!(secret.may_show(&Prefix::new("acme_0123456").unwrap()).is_err());
/// // Spelled like a key of this service, and mistyped.
/// assert!(ForeignSecret::new("kl_live_000000000000000000000000000000000").is_err());
/// ```
pub struct ForeignSecret {
    digest: Digest,
    /// As much of it as may be shown at most.
    beginning: Zeroizing<[u8; MOST_SHOWN]>,
    length: usize,
}

impl ForeignSecret {
    /// The secret with this text.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it is not 1 to 512 visible characters of ASCII, begins like a key of this service
    /// and has not its checksum, or begins like a public key, which is no secret.
    pub fn new(text: &str) -> Result<ForeignSecret, Invalid> {
        if !is_presentable(text) {
            return Err(Invalid::Malformed { expected: "1 to 512 visible characters" });
        }
        let mut checked = PUBLIC_FORMATS.iter().filter(|format| format.checksum);
        if checked.any(|format| text.starts_with(format.literal)) {
            return Err(Invalid::Malformed {
                expected: "a secret: this is the text of a public key",
            });
        }
        let digest = Digest::of_presented(text).ok_or(Invalid::Malformed {
            expected: "another text: it begins like a key of this service, with a wrong checksum",
        })?;
        let mut beginning = Zeroizing::new([0; MOST_SHOWN]);
        for (place, byte) in beginning.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        Ok(ForeignSecret { digest, beginning, length: text.len() })
    }

    /// The digest to store and look up.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether this may be shown of it.
    ///
    /// # Errors
    ///
    /// [`Invalid`] unless the text begins so and has as much again that is not shown.
    pub fn may_show(&self, prefix: &Prefix) -> Result<(), Invalid> {
        let shown = prefix.as_str().as_bytes();
        if !self.beginning.starts_with(shown) {
            return Err(Invalid::Malformed { expected: "what the secret begins with" });
        }
        if shown.len() > self.length / 2 {
            return Err(Invalid::Malformed { expected: "at most half of the secret" });
        }
        Ok(())
    }
}

impl fmt::Debug for ForeignSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignSecret")
    }
}

impl Prefix {
    /// What may be shown of a key that was made elsewhere: at most 24 characters.
    ///
    /// # Errors
    ///
    /// [`Invalid`] as for [`Prefix::new`], and if it is longer.
    pub fn of_foreign(text: &str) -> Result<Prefix, Invalid> {
        let expected = "1 to 24 visible characters";
        let prefix = Prefix::new(text).ok().filter(|_| text.len() <= MOST_SHOWN);
        prefix.ok_or(Invalid::Malformed { expected })
    }
}

/// As others write it: 64 hex digits, or base64 or base64url of the 32 bytes, with or without padding.
impl FromStr for Digest {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Digest, Invalid> {
        let mut digest = [0; 32];
        if text.len() == 64 {
            hex::decode_to_slice(text, &mut digest).map_err(|_| NOT_A_DIGEST)?;
            return Ok(Digest(digest));
        }
        // Longer than any that would do; the decoder wants room for what it may come to.
        let mut room = [0; 48];
        let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
        let length = engine(alphabet).decode_slice(text, &mut room).map_err(|_| NOT_A_DIGEST)?;
        let decoded = room.get(..length).ok_or(NOT_A_DIGEST)?;
        decoded.try_into().map(Digest).map_err(|_| NOT_A_DIGEST)
    }
}

fn engine(alphabet: &Alphabet) -> GeneralPurpose {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, lenient)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{
        STANDARD as PADDED, STANDARD_NO_PAD, URL_SAFE as URL_PADDED, URL_SAFE_NO_PAD,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::{Dialect, Environment, Kind, Secret};

    #[test]
    fn a_digest_is_read_as_others_write_it() {
        // SHA-256 of "abc" (FIPS 180-2, B.1).
        let abc = Digest::of("abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for text in [
            hex,
            &hex.to_uppercase(),
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0",
            "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=",
            "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",
        ] {
            assert_eq!(text.parse(), Ok(abc), "{text}");
        }
        for no_digest in [
            "",
            "abc",
            &hex[1..],
            &format!("{hex}00"),
            &format!(" {}", &hex[1..]),
            // Two alphabets in one, a bit too many, one byte too many, and a digest of passwords.
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa1",
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0A",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        ] {
            assert_eq!(no_digest.parse::<Digest>(), Err(NOT_A_DIGEST), "{no_digest}");
        }
    }

    #[test]
    fn what_verify_would_never_look_up_is_no_foreign_secret() {
        let made = |kind| {
            let format = Dialect::Native.format(kind, Environment::Live);
            Secret::generate(format, |bytes| bytes.fill(7)).reveal().to_owned()
        };
        let own = made(Kind::Secret);
        assert!(ForeignSecret::new(&own).is_ok(), "from another service of this kind");
        let bent = own.replacen('7', "8", 1);
        for text in ["", "a b", "ü", "a\n", &"x".repeat(513), &own[..own.len() - 1], &bent] {
            let verified = Digest::of_presented(text);
            assert_eq!(
                ForeignSecret::new(text).ok().map(|secret| secret.digest()),
                verified,
                "{text}"
            );
        }
        assert!(ForeignSecret::new(&bent).is_err());
        assert!(ForeignSecret::new(&made(Kind::Public)).is_err(), "everybody has its text");
        assert!(ForeignSecret::new(&"x".repeat(512)).is_ok());
    }

    proptest! {
        #[test]
        fn every_digest_is_read_in_each_of_its_spellings(bytes: [u8; 32]) {
            let spelled = [
                hex::encode(bytes),
                hex::encode_upper(bytes),
                PADDED.encode(bytes),
                STANDARD_NO_PAD.encode(bytes),
                URL_PADDED.encode(bytes),
                URL_SAFE_NO_PAD.encode(bytes),
            ];
            for text in spelled {
                prop_assert_eq!(text.parse(), Ok(Digest(bytes)), "{}", text);
            }
        }

        #[test]
        fn any_text_is_a_digest_or_refused(text in "[0-9a-f]{60,66}|[-A-Za-z0-9+/_=]{40,50}|\\PC{0,70}") {
            if let Ok(digest) = text.parse::<Digest>() {
                let plain = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
                let again = [hex::encode(digest.0), STANDARD_NO_PAD.encode(digest.0)];
                prop_assert!(again.contains(&plain), "{}", text);
            }
        }

        /// What is shown is never more than what is not.
        #[test]
        fn any_foreign_secret_is_hashed_and_half_of_it_shown(text in "[!-~]{1,60}|\\PC{0,30}", shown in 1_usize..40) {
            let Ok(secret) = ForeignSecret::new(&text) else { return Ok(()) };
            prop_assert_eq!(secret.digest(), Digest::of(&text));
            let Some(Ok(prefix)) = text.get(..shown).map(Prefix::of_foreign) else { return Ok(()) };
            prop_assert_eq!(secret.may_show(&prefix).is_ok(), shown <= text.len() / 2);
        }
    }
}
