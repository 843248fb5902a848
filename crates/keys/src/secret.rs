//! A key's secret text: made, checked, digested. Never printed.

use std::fmt;

use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;
use zeroize::Zeroizing;

use crate::bounds;
use crate::dialect::all_formats;
use crate::format::{Alphabet, CHECKSUM, Format};
use crate::invalid::Invalid;
use crate::native_shape::is_shape_of_key;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const HEX: &[u8; 16] = b"0123456789abcdef";
/// Longer than any key of any format.
const LONGEST: usize = bounds::PUBLIC_VALUE.most();
/// The longest text that is looked up.
const MOST_PRESENTED: usize = 512;

/// The whole text of a key. Erased from memory when dropped; `Debug` does not show it.
///
/// ```
/// use keys::{Dialect, Digest, Environment, Kind, Secret};
///
/// let format = Dialect::Native.format(Kind::Secret, Environment::Live);
/// let secret = Secret::generate(format, |bytes| bytes.fill(7));
/// assert_eq!(secret.prefix(format).as_str(), "kl_live_777777");
/// // A presented text that begins like a key is hashed only if it is spelled like one.
/// assert_eq!(Digest::of_presented(secret.reveal()), Some(secret.digest()));
/// assert_eq!(Digest::of_presented("kl_live_777777"), None);
/// // Any other may be a key that was made elsewhere.
/// assert_eq!(Digest::of_presented("acme-1234"), Some(Digest::of("acme-1234")));
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Makes a key's text. `fill` fills a buffer with random bytes; it may be called more than once.
    pub fn generate(format: Format, mut fill: impl FnMut(&mut [u8])) -> Secret {
        let mut text = Zeroizing::new(String::with_capacity(LONGEST));
        let (word, literal) = format.parts();
        text.push_str(word);
        text.push_str(literal);
        match format.alphabet {
            Alphabet::Base62 => spell(&mut text, BASE62, format.random, &mut fill),
            Alphabet::Hex => spell(&mut text, HEX, format.random, &mut fill),
            Alphabet::Uuid => {
                let mut random = Zeroizing::new([0; 16]);
                fill(&mut *random);
                let id = uuid::Builder::from_random_bytes(*random).into_uuid();
                text.push_str(id.as_hyphenated().encode_lower(&mut [0; 36]));
            }
        }
        if format.checksum {
            let sum = checksum(text.as_bytes());
            text.extend(sum.iter().map(|byte| char::from(*byte)));
        }
        Secret(text)
    }

    /// The text, for the one answer that gives it away.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The digest to store and look up.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// The part that may be shown.
    #[must_use]
    pub fn prefix(&self, format: Format) -> Prefix {
        let (word, literal) = format.parts();
        let end = word.len() + literal.len() + format.shown;
        Prefix::of_ascii(self.0.bytes().take(end))
    }
}

impl Format {
    /// What every key of this format begins with.
    #[must_use]
    pub fn beginning(&self) -> Prefix {
        let (word, rest) = self.parts();
        Prefix::of_ascii(word.bytes().chain(rest.bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Appends `count` characters of `alphabet`, each as likely as any other.
fn spell(text: &mut String, alphabet: &[u8], count: usize, fill: &mut impl FnMut(&mut [u8])) {
    let mask = alphabet.len().next_power_of_two() - 1;
    let mut random = Zeroizing::new([0_u8; 64]);
    let mut left = count;
    while left > 0 {
        fill(&mut *random);
        // A number past the alphabet is thrown away: folding it back would favour some characters.
        for byte in random.iter() {
            if left > 0
                && let Some(&character) = alphabet.get(usize::from(*byte) & mask)
            {
                text.push(char::from(character));
                left -= 1;
            }
        }
    }
}

/// CRC-32 (ISO-HDLC) of `bytes` as 6 base62 digits, the highest first.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = crc32fast::hash(bytes);
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = *BASE62
            .get((rest % 62) as usize)
            .unwrap_or_else(|| unreachable!("a remainder of 62 is below 62"));
        rest /= 62;
    }
    digits
}

/// Whether a text ends with the checksum of everything before it.
pub(crate) fn has_checksum(text: &[u8]) -> bool {
    text.split_last_chunk().is_some_and(|(body, sum)| checksum(body) == *sum)
}

/// Whether `text` is spelled like an API key of any format, valid or not. One that begins with a word
/// of its account's own is recognized by its whole shape.
#[must_use]
pub fn looks_like_key(text: &str) -> bool {
    all_formats().any(|format| text.starts_with(format.literal)) || is_shape_of_key(text)
}

/// Whether `text` may be a key at all: 1 to 512 visible characters (RFC 5234's `VCHAR`).
pub(crate) fn is_presentable(text: &str) -> bool {
    (1..=MOST_PRESENTED).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// SHA-256 of a key's whole text.
///
/// Keys are found by it, and compared as any bytes are: how long that takes tells something of the
/// digest, and nothing of a text that has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of any text.
    #[must_use]
    pub fn of(text: &str) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(text);
        let digest = Digest(hasher.finalize_reset().into());
        // The end of the text is still in the hasher's block, on the stack: it is written over.
        hasher.update([0; 63]);
        std::hint::black_box(&hasher);
        digest
    }

    /// The digest of a presented key, or `None` if it is malformed: not 1 to 512 visible characters of
    /// ASCII, or beginning like a key with a checksum and not spelled like one. One with a word of its
    /// account's own is digested whatever its checksum is: another system's key, which was brought in,
    /// may look the same. Allocates nothing.
    #[must_use]
    pub fn of_presented(text: &str) -> Option<Digest> {
        for format in all_formats().filter(|format| format.checksum) {
            if let Some(rest) = text.strip_prefix(format.literal) {
                let lawful = text.len() == format.length()
                    && rest.bytes().all(|b| b.is_ascii_alphanumeric())
                    && has_checksum(text.as_bytes());
                return lawful.then(|| Digest::of(text));
            }
        }
        is_presentable(text).then(|| Digest::of(text))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// The part of a key that may be shown, in lists and in logs: 1 to 31 printable characters.
///
/// Mostly in place: there is one in every key of the table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(SmolStr);

impl Prefix {
    /// A prefix from its text.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if it is empty, too long, or has other than printable ASCII characters.
    pub fn new(text: &str) -> Result<Prefix, Invalid> {
        let has_length = (1..=bounds::PREFIX.most()).contains(&text.len());
        if has_length && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Prefix(text.into()));
        }
        Err(Invalid::Malformed { expected: "1 to 31 printable characters" })
    }

    /// The first 31 of these characters, which are printable ASCII.
    pub(crate) fn of_ascii(text: impl Iterator<Item = u8>) -> Prefix {
        Prefix(text.take(bounds::PREFIX.most()).map(char::from).collect())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Dialect, Environment, Kind};

    /// Counts up: a stand-in for randomness whose output can be written down.
    fn counting() -> impl FnMut(&mut [u8]) {
        let mut next = 0_u8;
        move |buffer| {
            for byte in buffer {
                *byte = next;
                next = next.wrapping_add(37);
            }
        }
    }

    #[test]
    fn every_format_is_spelled_as_published() {
        let mut lines = String::new();
        for dialect in Dialect::ALL {
            for kind in Kind::ALL {
                for environment in Environment::ALL {
                    let format = dialect.format(*kind, *environment);
                    let secret = Secret::generate(format, counting());
                    let prefix = secret.prefix(format);
                    lines += &format!("{} {}\n", secret.reveal(), prefix.as_str());
                    assert!(Digest::of_presented(secret.reveal()).is_some());
                }
            }
        }
        expect_test::expect_file!["formats.txt"].assert_eq(&lines);
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        // CRC-32 of "123456789" is 0xCBF43926 = 3421780262.
        assert_eq!(&checksum(b"123456789"), b"3jZRME");
    }

    #[test]
    fn a_mistyped_key_is_known_without_a_lookup() {
        let format = Dialect::Native.format(Kind::Secret, Environment::Live);
        let good = Secret::generate(format, counting()).reveal().to_owned();
        // What begins like no key may be one that was made elsewhere.
        for place in format.literal.len()..good.len() {
            let mut bad = good.clone().into_bytes();
            bad[place] = if bad[place] == b'x' { b'y' } else { b'x' };
            assert_eq!(Digest::of_presented(&String::from_utf8(bad).unwrap()), None, "{place}");
        }
        assert_eq!(Digest::of_presented(&good[..good.len() - 1]), None);
        assert_eq!(Digest::of_presented(&format!("{good}0")), None);
    }

    proptest! {
        /// What is digested is visible, and spelled like a key if it begins like one with a checksum.
        #[test]
        fn any_text_is_digested_or_refused(
            literal in "kl_live_|kl_sandbox_|kl_pub_|kl_|sk-|pk-|ak_|csk_live_|sk_test_|",
            rest in "[0-9A-Za-z]{32}|[0-9A-Za-z_-]{0,60}|\\PC{0,80}|x{500,520}",
        ) {
            let text = literal + &rest;
            let checked = all_formats().filter(|format| format.checksum).find(|format| text.starts_with(format.literal));
            let visible = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
            let spelled = visible && (1..=512).contains(&text.len()) && match checked {
                Some(format) => {
                    let (body, sum) = text.split_at(text.len().saturating_sub(CHECKSUM));
                    text.len() == format.literal.len() + format.random + CHECKSUM
                        && text.bytes().skip(format.literal.len()).all(|b| b.is_ascii_alphanumeric())
                        && sum.as_bytes() == checksum(body.as_bytes())
                }
                None => true,
            };
            let digest = Digest::of_presented(&text);
            prop_assert_eq!(digest, spelled.then(|| Digest::of(&text)));
        }

        /// A key of any format is digested; with a checksum, no other of its length is.
        #[test]
        fn a_key_is_known_and_a_mistyped_one_is_not(seed: u64, place in 0_usize..64, to in "[0-9A-Za-z]") {
            let mut next = seed;
            let mut random = |buffer: &mut [u8]| for byte in buffer {
                next = next.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                *byte = (next >> 56) as u8;
            };
            for format in all_formats() {
                let key = Secret::generate(*format, &mut random).reveal().to_owned();
                prop_assert_eq!(Digest::of_presented(&key), Some(Digest::of(&key)));
                let place = format.literal.len() + place % (key.len() - format.literal.len());
                let mut bent = key.clone();
                bent.replace_range(place..=place, &to);
                let known = Digest::of_presented(&bent).is_some();
                prop_assert_eq!(known, !format.checksum || bent == key);
            }
        }
    }
}
