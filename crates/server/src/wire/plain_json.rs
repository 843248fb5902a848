//! The plain way to JSON without line breaks: a formatter, which looks at each string.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Compact JSON whose strings have no line breaks.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for part in fragment.split_inclusive(['\u{85}', '\u{2028}', '\u{2029}']) {
            match part.char_indices().last() {
                Some((at, end @ ('\u{85}' | '\u{2028}' | '\u{2029}'))) => {
                    let (before, _) = part.split_at(at);
                    write!(writer, "{before}\\u{:04x}", u32::from(end))?;
                }
                Some(_) | None => writer.write_all(part.as_bytes())?,
            }
        }
        Ok(())
    }
}

/// A value as JSON, on one line.
pub(crate) fn to_json<T: Serialize>(value: &T) -> String {
    let mut text = Vec::new();
    if let Err(error) = value.serialize(&mut Serializer::with_formatter(&mut text, OneLine)) {
        unreachable!("strings, numbers and lists are written into memory: {error}");
    }
    String::from_utf8(text).unwrap_or_else(|_| unreachable!("JSON is UTF-8"))
}
