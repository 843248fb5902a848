//! JSON that no reader takes for more lines than it is.
//!
//! JSON escapes the line breaks of ASCII. U+0085, U+2028 and U+2029 may stand in its strings as they
//! are, but Python's `splitlines`, old JavaScript and others end a line there: in a line of NDJSON or
//! of a stream of events one text could make a line of its own.
//!
//! What it buys to look for them in the finished text, once, is the time of a formatter that looks at
//! each of some thirty short strings of an event (`cargo bench -p server --bench wire`). The plain
//! way is beside it, see `plain_json`.

use std::io::{self, Write};

use memchr::memchr2;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

/// Appends a value as JSON, on one line.
pub(crate) fn put_json<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) {
    put_json_as(text, value, CompactFormatter);
}

/// Appends a value as JSON, on one line, as it stands in a quoted field of CSV.
pub(crate) fn put_quoted_json<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) {
    put_json_as(text, value, QuotedFormatter);
}

/// Doubles every quote (RFC 4180, section 2.7).
struct QuotedFormatter;

impl Formatter for QuotedFormatter {
    fn begin_string<W: Write + ?Sized>(&mut self, text: &mut W) -> io::Result<()> {
        text.write_all(b"\"\"")
    }

    fn end_string<W: Write + ?Sized>(&mut self, text: &mut W) -> io::Result<()> {
        text.write_all(b"\"\"")
    }

    fn write_char_escape<W: Write + ?Sized>(
        &mut self,
        text: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let is_quote = matches!(escape, CharEscape::Quote);
        CompactFormatter.write_char_escape(text, escape)?;
        if is_quote { text.write_all(b"\"") } else { Ok(()) }
    }
}

fn put_json_as<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T, form: impl Formatter) {
    let start = text.len();
    let mut serializer = Serializer::with_formatter(&mut *text, form);
    if let Err(error) = value.serialize(&mut serializer) {
        unreachable!("strings, numbers and lists are written into memory: {error}");
    }
    // Outside of strings JSON has no such characters.
    let written = text.get(start..).unwrap_or_else(|| unreachable!("writing only appends"));
    if first_break(written).is_some() {
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
    String::from_utf8(text).unwrap_or_else(|_| unreachable!("JSON is UTF-8"))
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
