//! JSON that no reader takes for more lines than it is.
//!
//! JSON escapes the line breaks of ASCII. U+0085, U+2028 and U+2029 may stand in its strings as they
//! are, but Python's `splitlines`, old JavaScript and others end a line there: in a line of NDJSON or
//! of a stream of events one text could make a line of its own.

use memchr::memchr2;
use serde::Serialize;

/// Appends a value as JSON, on one line.
pub(crate) fn put_json<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) {
    let start = text.len();
    // Strings, numbers and lists into memory: this cannot fail.
    let _ = serde_json::to_writer(&mut *text, value);
    // Looked through once as a whole: a formatter would look at each of some thirty short strings.
    // Outside of strings JSON has no such characters.
    if first_break(text.get(start..).unwrap_or_default()).is_some() {
        let written = text.split_off(start);
        let mut rest = written.as_slice();
        while let Some((before, escape, after)) = first_break(rest) {
            text.extend_from_slice(before);
            text.extend_from_slice(escape);
            rest = after;
        }
        text.extend_from_slice(rest);
    }
}

/// A value as JSON, on one line.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    let mut text = Vec::new();
    put_json(&mut text, value);
    String::from_utf8(text).unwrap_or_default()
}

/// What stands before the first line break, what it is written as, and what follows.
fn first_break(text: &[u8]) -> Option<(&[u8], &'static [u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr2(0xC2, 0xE2, text.get(from..)?)?;
        let (before, rest) = text.split_at_checked(at)?;
        match rest {
            [0xC2, 0x85, after @ ..] => return Some((before, br"\u0085", after)),
            [0xE2, 0x80, 0xA8, after @ ..] => return Some((before, br"\u2028", after)),
            [0xE2, 0x80, 0xA9, after @ ..] => return Some((before, br"\u2029", after)),
            _ => from = at + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_makes_no_line_of_its_own() {
        let table = [
            ("plain", r#""plain""#),
            ("a\u{2028}b\u{2029}\u{85}", r#""a\u2028b\u2029\u0085""#),
            ("\u{2028}", r#""\u2028""#),
            ("a\nb\u{1e}", r#""a\nb\u001e""#),
            ("§ – “é” €\u{A0}", "\"§ – “é” €\u{A0}\""),
        ];
        for (text, want) in table {
            assert_eq!(to_json(text), want);
        }
        let name = std::collections::BTreeMap::from([("a\u{2028}", 1)]);
        assert_eq!(to_json(&name), r#"{"a\u2028":1}"#);
    }

    proptest! {
        #[test]
        fn it_means_the_same(text in "(.|[\u{80}-\u{A0}\u{2020}-\u{2030}]){0,20}") {
            let json = to_json(&text);
            let broken = json.contains(['\u{85}', '\u{2028}', '\u{2029}', '\n']);
            prop_assert!(!broken);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
