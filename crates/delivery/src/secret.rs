//! Secrets of webhooks, as Standard Webhooks writes them: `whsec_` and base64.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";
/// Bytes of a secret that is made here.
const MADE: usize = 32;
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// A symmetric secret of 24 to 64 bytes (Standard Webhooks, Signature scheme). It is erased when it is
/// dropped and never printed by accident: [`Secret::text`] shows it.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// A text is no [`Secret`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be whsec_ and the base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

impl Secret {
    /// A new one, of 32 random bytes.
    ///
    /// # Errors
    ///
    /// The system has no random bytes.
    pub fn random() -> Result<Secret, getrandom::Error> {
        let mut bytes = Zeroizing::new(vec![0; MADE]);
        getrandom::fill(&mut bytes)?;
        Ok(Secret(bytes))
    }

    /// What signs.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As it is shown once.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 88));
        text.push_str(PREFIX);
        STANDARD.encode_string(self.bytes(), &mut text);
        text
    }
}

impl FromStr for Secret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Secret, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        // Longer than any secret, so that the buffer never grows and leaves a copy.
        let mut bytes = Zeroizing::new(vec![0; 96]);
        let length = STANDARD.decode_slice(encoded, &mut bytes).map_err(|_| InvalidSecret)?;
        if !LENGTHS.contains(&length) {
            return Err(InvalidSecret);
        }
        bytes.truncate(length);
        Ok(Secret(bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_has_one_spelling_and_a_lawful_length() {
        let text = |length: usize| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        for length in [24, 32, 64] {
            assert_eq!(*text(length).parse::<Secret>().unwrap().text(), text(length));
        }
        for wrong in [
            text(23),
            text(65),
            text(400),
            text(24).replace("whsec_", ""),
            text(25).trim_end_matches('=').to_owned(),
            format!("{} ", text(24)),
            String::new(),
        ] {
            assert_eq!(wrong.parse::<Secret>().unwrap_err(), InvalidSecret, "{wrong}");
        }
    }

    #[test]
    fn two_secrets_differ_and_none_is_printed() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_ne!(one.text(), other.text());
        assert_eq!(format!("{one:?}"), "Secret");
    }

    proptest! {
        #[test]
        fn any_text_is_a_secret_or_refused(text in "(whsec_)?[A-Za-z0-9+/=_-]{0,100}|\\PC{0,60}") {
            if let Ok(secret) = text.parse::<Secret>() {
                prop_assert_eq!(&*secret.text(), &text);
            }
        }
    }
}
