//! The shape of native keys, with whatever word they begin.

use crate::dialect::Dialect;
use crate::format::Format;
use crate::kind::{Environment, Kind};
use crate::secret_prefix::is_word;

/// The formats of native keys, each once; the last one is that of public keys.
pub(crate) const NATIVE: [Format; 3] = [
    Dialect::Native.format(Kind::Secret, Environment::Live),
    Dialect::Native.format(Kind::Secret, Environment::Sandbox),
    Dialect::Native.format(Kind::Public, Environment::Live),
];

/// Whether `text` is spelled like a native key with any word, but for its checksum: also with one
/// that no account has any more. Another system's key may look the same.
pub(crate) fn is_shape_of_key(text: &str) -> bool {
    let Some((word, rest)) = text.split_once('_') else { return false };
    let is_spelled = |format: &Format| {
        let behind = format.behind_word().and_then(|behind| behind.strip_prefix('_'));
        behind.and_then(|behind| rest.strip_prefix(behind)).is_some_and(|random| {
            random.len() == format.random_and_checksum()
                && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    };
    is_word(word.as_bytes()) && NATIVE.iter().any(is_spelled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dialect::all_formats;
    use crate::secret_prefix::{SecretPrefix, TAKEN};
    use crate::{Digest, Secret, contains_key, looks_like_key, without_keys};

    #[test]
    fn a_word_is_short_and_no_dialects() {
        for (text, good) in [
            ("acme", true),
            ("a1", true),
            ("kl", true),
            ("abcdefghijklmnop", true),
            ("abcdefghijklmnopq", false),
            ("a", false),
            ("", false),
            ("1a", false),
            ("Acme", false),
            ("acme_live", false),
            ("ac-me", false),
            ("äcme", false),
            ("sk", false),
            ("csk", false),
            ("ak", false),
            ("pk", false),
            ("skk", true),
        ] {
            assert_eq!(SecretPrefix::new(text).is_ok(), good, "{text}");
        }
    }

    /// A key must be of one format alone.
    #[test]
    fn no_word_makes_a_key_of_a_dialect() {
        let others = all_formats().filter(|format| format.behind_word().is_none());
        let words = others.map(|format| format.literal.split(['_', '-']).next().unwrap());
        let words: std::collections::BTreeSet<&str> = words.collect();
        assert_eq!(words.into_iter().collect::<Vec<_>>(), TAKEN);
    }

    #[test]
    fn only_native_keys_have_a_word_of_their_own() {
        let acme = SecretPrefix::new("acme").unwrap();
        for dialect in Dialect::ALL {
            let format = dialect.format(Kind::Secret, Environment::Live);
            let own = format.with_prefix(acme);
            assert_eq!(own == format, *dialect != Dialect::Native, "{dialect}");
        }
    }

    proptest! {
        /// A key with any word is looked up, taken for a key, found in a text and hidden there; a
        /// public one is no secret.
        #[test]
        fn a_key_with_a_word_of_its_own_is_a_key(seed: u64, word in "[a-z][a-z0-9]{1,15}") {
            let Ok(word) = SecretPrefix::new(&word) else { return Ok(()) };
            let mut next = seed;
            let mut random = |buffer: &mut [u8]| for byte in buffer {
                next = next.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                *byte = (next >> 56) as u8;
            };
            for format in NATIVE.map(|format| format.with_prefix(word)) {
                let secret = Secret::generate(format, &mut random);
                let (key, beginning) = (secret.reveal(), format.beginning());
                prop_assert!(key.starts_with(beginning.as_str()));
                let shown = secret.prefix(format);
                prop_assert_eq!(shown.as_str(), &key[..beginning.as_str().len() + 6]);
                prop_assert_eq!(Digest::of_presented(key), Some(secret.digest()));
                prop_assert!(looks_like_key(key));
                let text = format!("x1{key}.");
                let is_secret = !beginning.as_str().ends_with("_pub_");
                prop_assert_eq!(contains_key(&text), is_secret);
                if is_secret {
                    prop_assert_eq!(without_keys(&text), format!("x1{}….", beginning.as_str()));
                }
            }
        }

        #[test]
        fn any_text_has_the_shape_or_not(text in "[a-zA-Z0-9_]{0,20}_(live|sandbox|pub|test)_[0-9A-Za-z]{30,34}|.*") {
            if is_shape_of_key(&text) {
                prop_assert!(looks_like_key(&text));
                prop_assert!(text.contains("_live_") || text.contains("_sandbox_") || text.contains("_pub_"));
            }
        }
    }
}
