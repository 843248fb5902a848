//! Characters that nobody sees, and those that turn the direction of what is seen.
//!
//! Two names that differ by one look the same, and one can make the rest of a line read backwards.
//! Some are needed all the same: joiners in the scripts of India and of Arabic, variation selectors
//! after emoji and ideographs. Those are taken where they change what is seen, and nowhere else.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{
    CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji, EmojiModifier, ExtendedPictographic,
    GeneralCategory, JoiningType, NoncharacterCodePoint, UnifiedIdeograph,
};
use icu_properties::{CodePointMapData, CodePointSetData};

use crate::bounds::is_plain;

const CHARACTER_BOUNDARY: &str = "`hidden` gives the places of characters";
const NON_JOINER: char = '\u{200C}';
const JOINER: char = '\u{200D}';
const EMOJI_SELECTOR: char = '\u{FE0F}';

/// The text in composed form (NFC, UAX #15), so that what looks the same is the same.
pub(super) fn composed(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// The first character that is not seen, or turns direction, and is not needed where it stands.
pub(super) fn first(text: &str) -> Option<char> {
    if is_plain(text) { None } else { hidden(text).next().map(|(_, one)| one) }
}

/// The text with each such character written as `\u{202e}`: nothing in it steers a terminal, and
/// nothing is hidden.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut from) = (String::new(), 0);
    for (at, one) in hidden(text) {
        shown += text.get(from..at).unwrap_or_else(|| unreachable!("{}", CHARACTER_BOUNDARY));
        shown.extend(one.escape_unicode());
        from = at + one.len_utf8();
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    shown += text.get(from..).unwrap_or_else(|| unreachable!("{}", CHARACTER_BOUNDARY));
    Cow::Owned(shown)
}

/// The characters that are not seen, or turn direction, and are not needed where they stand, each
/// with its place in bytes.
pub fn hidden(text: &str) -> impl Iterator<Item = (usize, char)> {
    text.char_indices().filter(|(at, one)| {
        let (before, rest) = text.split_at_checked(*at).unwrap_or_default();
        let after = rest.get(one.len_utf8()..).unwrap_or_default();
        is_hidden(*one) && !is_needed(before, *one, after)
    })
}

fn is_hidden(one: char) -> bool {
    if matches!(one, ' '..='~') {
        return false;
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(one);
    matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    ) || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(one)
        || CodePointSetData::new::<NoncharacterCodePoint>().contains(one)
}

/// Whether what is not seen changes what is seen here.
fn is_needed(before: &str, one: char, after: &str) -> bool {
    let Some(last) = before.chars().next_back() else { return false };
    match one {
        // RFC 5892, appendix A.1 and A.2; joined emoji are UTS #51, ED-16.
        NON_JOINER => follows_virama(last) || breaks_joining(before, after),
        JOINER => follows_virama(last) || joins_emoji(before, after),
        '\u{FE0E}' | EMOJI_SELECTOR => {
            CodePointSetData::new::<Emoji>().contains(last)
                && (!last.is_ascii() || after.starts_with('\u{20E3}'))
        }
        '\u{FE00}'..='\u{FE0D}' | '\u{E0100}'..='\u{E01EF}' => {
            CodePointSetData::new::<UnifiedIdeograph>().contains(last)
        }
        '\u{180B}'..='\u{180D}' | '\u{180F}' => matches!(last, '\u{1820}'..='\u{18AA}'),
        _ => false,
    }
}

fn follows_virama(last: char) -> bool {
    let class = CodePointMapData::<CanonicalCombiningClass>::new().get(last);
    class == CanonicalCombiningClass::Virama
}

/// Between two letters that would join.
fn breaks_joining(before: &str, after: &str) -> bool {
    let types = CodePointMapData::<JoiningType>::new();
    let seen = |one: &char| types.get(*one) != JoiningType::Transparent;
    let left = before.chars().rev().find(seen).map(|one| types.get(one));
    let right = after.chars().find(seen).map(|one| types.get(one));
    matches!(left, Some(JoiningType::LeftJoining | JoiningType::DualJoining))
        && matches!(right, Some(JoiningType::RightJoining | JoiningType::DualJoining))
}

fn joins_emoji(before: &str, after: &str) -> bool {
    let emoji = CodePointSetData::new::<ExtendedPictographic>();
    let modifier = CodePointSetData::new::<EmojiModifier>();
    let left = before.chars().rev().find(|one| *one != EMOJI_SELECTOR && !modifier.contains(*one));
    left.is_some_and(|one| emoji.contains(one))
        && after.chars().next().is_some_and(|one| emoji.contains(one))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_seen_is_taken_only_where_it_is_needed() {
        let table = [
            ("plain", None),
            ("Zürich 東京 Ελλάδα", None),
            ("non-breaking\u{A0}space", None),
            ("ann\u{200B}", Some('\u{200B}')),
            ("ann\u{202E}nna", Some('\u{202E}')),
            ("\u{2066}ann\u{2069}", Some('\u{2066}')),
            ("ann\u{200F}", Some('\u{200F}')),
            ("a\u{AD}nn", Some('\u{AD}')),
            ("\u{FEFF}ann", Some('\u{FEFF}')),
            ("a\u{2028}b", Some('\u{2028}')),
            ("a\u{2029}b", Some('\u{2029}')),
            ("a\u{85}b", Some('\u{85}')),
            ("a\u{1B}[2J", Some('\u{1B}')),
            // Not in the general category of format characters, and not seen either.
            ("ann\u{3164}", Some('\u{3164}')),
            ("ann\u{34F}", Some('\u{34F}')),
            ("ann\u{FFFF}", Some('\u{FFFF}')),
            // Tags can hold a whole hidden text.
            ("ann\u{E0041}", Some('\u{E0041}')),
            // Persian, Hindi, Sinhala.
            ("می\u{200C}خواهم", None),
            ("क्\u{200C}ष", None),
            ("ක්\u{200D}ෂ", None),
            // The same between letters that do not join.
            ("a\u{200C}b", Some('\u{200C}')),
            ("a\u{200D}b", Some('\u{200D}')),
            ("क्\u{200C}\u{200C}ष", Some('\u{200C}')),
            ("می\u{200D}خواهم", Some('\u{200D}')),
            // Emoji.
            ("👩\u{200D}💻", None),
            ("👩🏽\u{200D}💻", None),
            ("❤\u{FE0F}\u{200D}🔥", None),
            ("1\u{FE0F}\u{20E3}", None),
            ("1\u{FE0F}", Some('\u{FE0F}')),
            ("a\u{FE0F}", Some('\u{FE0F}')),
            ("👩\u{200D}", Some('\u{200D}')),
            // A family name of Japan.
            ("葛\u{E0100}城", None),
            ("a\u{E0100}", Some('\u{E0100}')),
        ];
        for (text, want) in table {
            assert_eq!(first(text), want, "{text:?}");
            assert_eq!(visible(text) == text, want.is_none(), "{text:?}");
        }
        assert_eq!(visible("x\u{1b}[2J\ny\u{202E}"), r"x\u{1b}[2J\u{a}y\u{202e}");
    }

    #[test]
    fn what_looks_the_same_is_the_same() {
        assert_eq!(composed("Zu\u{308}rich"), "Zürich");
        assert_eq!(composed("\u{212B}"), "Å");
        assert_eq!(composed("plain"), "plain");
    }

    proptest! {
        #[test]
        fn nothing_that_is_shown_is_hidden(text in "\\PC{0,20}|[\\x00-\\u{FF}\\u{2000}-\\u{206F}]{0,20}") {
            let shown = visible(&text);
            prop_assert_eq!(first(&shown), None);
            prop_assert_eq!(first(&text).is_none(), shown == text);
        }
    }
}
