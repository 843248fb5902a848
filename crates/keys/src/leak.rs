//! Keys in texts where no key should be: names, reasons, messages.
//!
//! What is recorded stays for ever and is shown to auditors, and messages end in logs. So a text that
//! holds a secret is refused before it is recorded, and hidden before it is shown.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

use crate::dialect::SECRET_FORMATS;
use crate::format::Format;
use crate::invalid::Invalid;
use crate::native_shape::NATIVE;
use crate::secret::has_checksum;
use crate::secret_prefix::{LONGEST, is_of_word};

/// The length of the shortest secret key of any format.
const SHORTEST: usize = shortest();

const fn shortest() -> usize {
    let mut shortest = usize::MAX;
    let mut rest = SECRET_FORMATS.as_slice();
    while let [format, others @ ..] = rest {
        if format.length() < shortest {
            shortest = format.length();
        }
        rest = others;
    }
    shortest
}

/// For each first character of a format's literal, the set of second ones as bits: most places of a
/// text have none of these pairs, and need no closer look.
const BEGINNINGS: [u128; 128] = beginnings();

#[expect(clippy::indexing_slicing, reason = "at compile time: a wrong index does not compile")]
const fn beginnings() -> [u128; 128] {
    let mut seconds = [0; 128];
    let mut at = 0;
    while at < SECRET_FORMATS.len() {
        let literal = SECRET_FORMATS[at].literal.as_bytes();
        seconds[literal[0] as usize] |= 1 << literal[1];
        at += 1;
    }
    seconds
}

/// Whether the literal of some format begins like `text`.
fn may_begin_a_key(text: &[u8]) -> bool {
    let &[first, second, ..] = text else { return false };
    let seconds = BEGINNINGS.get(usize::from(first)).copied().unwrap_or(0);
    second < 128 && seconds & (1 << second) != 0
}

/// Whether some part of `text` is spelled like a secret key of any format, with a checksum that is
/// right where the format has one. Public keys are no secrets.
#[must_use]
pub fn contains_key(text: &str) -> bool {
    first_key(text, 0).is_some()
}

/// `text` with every secret key in it cut off after the part that all keys of its format begin with.
#[must_use]
pub fn without_keys(text: &str) -> Cow<'_, str> {
    let Some((mut found, mut beginning)) = first_key(text, 0) else { return Cow::Borrowed(text) };
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    loop {
        shown += text
            .get(from..found.start + beginning)
            .unwrap_or_else(|| unreachable!("{}", CHARACTER_BOUNDARY));
        shown.push('…');
        from = found.end;
        match first_key(text, from) {
            Some(next) => (found, beginning) = next,
            None => break,
        }
    }
    shown += text.get(from..).unwrap_or_else(|| unreachable!("{}", CHARACTER_BOUNDARY));
    Cow::Owned(shown)
}

/// Keys consist of ASCII, so what is around one is whole characters.
const CHARACTER_BOUNDARY: &str = "a key begins and ends between characters";

/// Refuses a text that holds a secret key.
pub(crate) fn refuse_key(text: &str) -> Result<(), Invalid> {
    if contains_key(text) { Err(Invalid::ContainsKey) } else { Ok(()) }
}

/// Where a key is in a text, and the length of what all keys of its format begin with.
type Found = (Range<usize>, usize);

/// The first key at or after `from`. Of two that begin alike what is hidden is the longer.
fn first_key(text: &str, from: usize) -> Option<Found> {
    let found = [first_of_formats(text, from), first_with_word(text.as_bytes(), from)];
    found.into_iter().flatten().min_by_key(|(range, _)| (range.start, Reverse(range.end)))
}

/// The first native key at or after `from` that begins with a word of its account's own, whatever
/// that is: its checksum says that it is one.
fn first_with_word(bytes: &[u8], from: usize) -> Option<Found> {
    let [secrets @ .., _public] = NATIVE;
    let places = bytes.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'_');
    places.flat_map(|(at, _)| secrets.map(|format| (at, format))).find_map(|(at, format)| {
        let behind = format.behind_word()?;
        let random = bytes.get(at..)?.strip_prefix(behind.as_bytes())?;
        let random = random.get(..format.random_and_checksum())?;
        if !random.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let before = bytes.get(from..at)?.iter().rev().take(LONGEST);
        let longest = before.take_while(|byte| is_of_word(**byte)).count();
        let beginning = at + behind.len();
        let end = beginning + random.len();
        let mut starts = at - longest..at;
        let start = starts.find(|start| bytes.get(*start..end).is_some_and(has_checksum))?;
        Some((start..end, beginning - start))
    })
}

/// The first key at or after `from` that begins with the literal of a format.
fn first_of_formats(text: &str, from: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    let last = bytes.len().checked_sub(SHORTEST)?;
    (from..=last).find_map(|start| {
        let rest = bytes.get(start..)?;
        if !may_begin_a_key(rest) {
            return None;
        }
        // What is in front of `from` is no part of the text any more: a key that was cut off.
        let before = start.checked_sub(1).filter(|before| *before >= from);
        let before = before.and_then(|before| bytes.get(before));
        let fitting = SECRET_FORMATS.iter().filter_map(|format| {
            let length = length_of_key(rest, format, before.copied())?;
            Some((start..start + length, format.literal.len()))
        });
        fitting.max_by_key(|(range, _)| range.end)
    })
}

/// The length of the key that `text` begins with, if it does.
fn length_of_key(text: &[u8], format: &Format, before: Option<u8>) -> Option<usize> {
    let random = text.strip_prefix(format.literal.as_bytes())?;
    // `sk-` ends words too, as in `disk-`, and an id in hex may follow one.
    let is_short = format.literal.len() <= 3;
    if is_short && before.is_some_and(|before| before.is_ascii_alphanumeric()) {
        return None;
    }
    if format.checksum {
        let key = text.get(..format.length())?;
        let spelled = key.iter().skip(format.literal.len()).all(u8::is_ascii_alphanumeric);
        return (spelled && has_checksum(key)).then_some(key.len());
    }
    // Whatever of the alphabet follows is hidden with it.
    let run = random.iter().take_while(|byte| format.is_spelled_with(**byte)).count();
    (run >= format.random).then_some(format.literal.len() + run)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Dialect, Environment, Kind, Secret};

    /// A key of every format that is secret, and one of every format that is public.
    fn all(kind: Kind, mut seed: u64) -> Vec<String> {
        let mut random = move |buffer: &mut [u8]| {
            for byte in buffer {
                seed = seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                *byte = (seed >> 56) as u8;
            }
        };
        let mut keys = Vec::new();
        for dialect in Dialect::ALL {
            for environment in Environment::ALL {
                let format = dialect.format(kind, *environment);
                if kind == Kind::Secret || matches!(format.literal, "kl_pub_" | "pk-") {
                    keys.push(Secret::generate(format, &mut random).reveal().to_owned());
                }
            }
        }
        keys
    }

    #[test]
    fn what_only_looks_a_little_like_a_key_is_none() {
        let sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        for text in [
            "",
            "rotates kl_live_ keys",
            "kl_live_00000000000000000000000000000000",
            "sk_live_short",
            "ak_550e8400-e29b-41d4-a716",
            &format!("disk-{sha256}"),
            sha256,
        ] {
            assert!(!contains_key(text), "{text}");
            assert_eq!(without_keys(text), text);
        }
        for key in all(Kind::Public, 7) {
            assert!(!contains_key(&key), "{key}");
        }
    }

    /// A log may hold one from before, and has to be read for ever.
    #[test]
    fn a_key_is_refused_in_a_text_that_comes_in_and_read_in_one_that_is_on_record() {
        for key in all(Kind::Secret, 3) {
            assert!(crate::KeyName::new(&key).is_err());
            assert!(crate::Reason::new(format!("it was {key}")).is_err());
            assert_eq!(crate::KeyName::stored(&key).unwrap().as_str(), key);
            for pair in [(key.clone(), "v".to_owned()), ("n".to_owned(), key)] {
                let pairs = std::collections::BTreeMap::from([pair]);
                assert!(crate::Metadata::new(pairs.clone()).is_err());
                assert!(crate::Metadata::stored(pairs).is_ok());
            }
        }
    }

    #[test]
    fn two_keys_in_one_text_are_both_hidden() {
        let keys = all(Kind::Secret, 1);
        let text = format!("was {}, is {}", keys[0], keys[1]);
        assert_eq!(without_keys(&text), "was kl_live_…, is kl_sandbox_…");
    }

    /// The second one was shown: the end of the first was taken for the start of a word.
    #[test]
    fn a_key_right_behind_another_one_is_hidden_too() {
        let (first, second) = ("sk-", "0123456789abcdef".repeat(3));
        let native = &all(Kind::Secret, 1)[0];
        assert_eq!(without_keys(&format!("{native}{first}{second}")), "kl_live_…sk-…");
        assert_eq!(without_keys(&format!("{first}{second}{first}{second}")), "sk-…sk-…");
    }

    proptest! {
        /// A key is found wherever it stands, and nothing of its random part is shown.
        #[test]
        fn a_key_is_found_wherever_it_stands(
            seed: u64,
            before in "|.*[ :=/'\"üß_.-]",
            after in "|[ .,;'\"ü)].*|[0-9a-zA-Z]{1,9}",
        ) {
            for key in all(Kind::Secret, seed) {
                let text = format!("{before}{key}{after}");
                prop_assert!(contains_key(&text), "{}", text);
                prop_assert!(refuse_key(&text).is_err());
                let shown = without_keys(&text);
                prop_assert!(!shown.contains(&key), "{}", shown);
                prop_assert!(!contains_key(&shown), "{}", shown);
            }
        }

        #[test]
        fn any_text_can_be_looked_at(text in ".*") {
            prop_assert_eq!(contains_key(&text), without_keys(&text) != text);
        }
    }
}
