//! All events of a filter in one response, as NDJSON or CSV, read page by page as the client reads.

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use keys::KeyId;
use ledger::{Entry, Walk};
use serde::Serialize;

use crate::error::ApiError;
use crate::export::long::LongAnswer;
use crate::export::walk::EventWalk;
use crate::request::negotiate::choose;
use crate::wire::plain::{address, number, put};
use crate::wire::{Data, Event, put_json, put_quoted_json};

/// The number of events in one read. At most one page is buffered for a slow client.
const PAGE: usize = 500;

/// The names of the columns.
pub(crate) const CSV_HEAD: &str = "seq,recorded_at,type,key_id,account,revision,actor_subject,actor_account,\
    actor_roles,actor_via,ip,request_id,dialect,node,reason,reason_code,rules,before,after,data\r\n";

/// How events are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON object a line.
    Ndjson,
    /// RFC 4180, with a line of names first.
    Csv,
}

/// The format that the client accepts; `None` is a page of JSON.
///
/// # Errors
///
/// It accepts none of the three.
pub(crate) fn accepted(headers: &HeaderMap) -> Result<Option<Format>, ApiError> {
    let offered = ["application/json", "application/x-ndjson", "text/csv"];
    Ok(match choose(headers, &offered)? {
        1 => Some(Format::Ndjson),
        2 => Some(Format::Csv),
        _ => None,
    })
}

/// Streams all events from `walk` on, at most `most`.
pub(crate) async fn stream(
    long: LongAnswer,
    events: EventWalk,
    walk: Walk,
    most: Option<usize>,
    format: Format,
) -> Result<Response, ApiError> {
    let (mut left, mut walk) = (most.unwrap_or(usize::MAX), Some(walk));
    let mut head = format == Format::Csv;
    let content_type = match format {
        Format::Ndjson => "application/x-ndjson",
        Format::Csv => "text/csv; charset=utf-8; header=present",
    };
    long.answer(content_type, move |ledger| {
        let Some(from) = walk.filter(|_| left > 0) else { return Ok(None) };
        let page = events.read(ledger, from, PAGE.min(left))?;
        (walk, left) = (page.next, left - page.items.len());
        let text = write(&page.items, format, head, events.filter.key);
        head = false;
        Ok(Some(Bytes::from(text)))
    })
    .await
}

fn write(entries: &[Entry], format: Format, head: bool, key: Option<KeyId>) -> Vec<u8> {
    let mut text = Vec::with_capacity(entries.len() * 512);
    if head {
        text.extend_from_slice(CSV_HEAD.as_bytes());
    }
    for entry in entries {
        let event = Event::for_key(entry, key);
        match format {
            Format::Ndjson => {
                put_json(&mut text, &event);
                text.push(b'\n');
            }
            Format::Csv => csv_row(&mut text, &event),
        }
    }
    text
}

/// Writes an event as a line of CSV, with its `data` as JSON. Numbers, times, ids and the fixed words
/// of the API need no quotes.
pub(crate) fn csv_row(text: &mut Vec<u8>, event: &Event<'_>) {
    let Event { actor, origin, .. } = event;
    number(text, event.seq);
    text.push(b',');
    text.extend_from_slice(&event.recorded_at.0.text());
    put(text, [",", event.r#type, ",", event.key_id.0.text(&mut [0; 36]), ","]);
    quote(text, event.account);
    text.push(b',');
    number(text, event.revision.into());
    text.push(b',');
    quote(text, actor.subject);
    text.push(b',');
    quote(text, actor.account);
    text.push(b',');
    for (place, role) in actor.roles.0.iter().enumerate() {
        put(text, [if place == 0 { "" } else { " " }, role.as_str()]);
    }
    text.push(b',');
    quote(text, &actor.via);
    text.push(b',');
    if let Some(ip) = &origin.ip {
        address(text, ip.0);
    }
    text.push(b',');
    quote(text, origin.request_id.unwrap_or_default());
    put(text, [",", origin.dialect, ","]);
    quote(text, origin.node);
    text.push(b',');
    quote(text, event.reason.unwrap_or_default());
    let (code, before) = (event.reason_code.unwrap_or_default(), event.before.unwrap_or_default());
    put(text, [",", code, ","]);
    match &event.rules {
        rules if rules.0.is_empty() => text.extend_from_slice(b"[]"),
        rules => quoted_json(text, rules),
    }
    put(text, [",", before, ",", event.after, ","]);
    if matches!(event.data, Data::Nothing(_)) {
        text.extend_from_slice(b"{}");
    } else {
        quoted_json(text, &event.data);
    }
    text.extend_from_slice(b"\r\n");
}

/// Writes a value as JSON in quotes, which it needs: it has a name.
fn quoted_json<T: Serialize>(text: &mut Vec<u8>, value: &T) {
    text.push(b'"');
    put_quoted_json(text, value);
    text.push(b'"');
}

/// Writes a field: quoted where necessary, with an apostrophe before a text that a spreadsheet would
/// take for a formula (full-width signs included). Characters that other readers than those of RFC
/// 4180 take for a line end are escaped as in JSON.
///
/// The crate `csv` is not used: it applies one quoting rule to all fields of a file. Here formulas and
/// fields with an apostrophe are quoted, and a bundle is verified byte by byte against a second
/// serialization, here and by the verifier in Python.
fn quote(text: &mut Vec<u8>, field: &str) {
    let breaks = |byte: u8| matches!(byte, 0x0B | 0x0C | 0x1C..=0x1E | 0xC2 | 0xE2);
    if field.bytes().any(breaks) {
        quote_one_line(text, &on_one_line(field));
    } else {
        quote_one_line(text, field);
    }
}

/// The field with every line end escaped (`\u2028`).
#[cold]
fn on_one_line(field: &str) -> String {
    let mut line = String::with_capacity(field.len() + 16);
    for one in field.chars() {
        match one {
            '\u{B}' | '\u{C}' | '\u{1C}'..='\u{1E}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                line += &format!("\\u{:04x}", u32::from(one));
            }
            one => line.push(one),
        }
    }
    line
}

fn quote_one_line(text: &mut Vec<u8>, field: &str) {
    let bytes = field.as_bytes();
    let formula = match bytes {
        [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n', ..] => true,
        _ => field.starts_with(['\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}']),
    };
    if !formula && !bytes.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n' | b'\'')) {
        text.extend_from_slice(bytes);
        return;
    }
    text.extend_from_slice(if formula { b"\"'" } else { b"\"" });
    let mut rest = bytes;
    while let Some((part, after)) =
        memchr::memchr(b'"', rest).and_then(|place| rest.split_at_checked(place + 1))
    {
        text.extend_from_slice(part);
        text.push(b'"');
        rest = after;
    }
    text.extend_from_slice(rest);
    text.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted(field: &str) -> String {
        let mut text = Vec::new();
        quote(&mut text, field);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn no_field_is_a_formula() {
        let table = [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-2", "\"'-2\""),
            ("+2", "\"'+2\""),
            ("a\nb", "\"a\nb\""),
            ("＝1+1", "\"'＝1+1\""),
            ("＋1", "\"'＋1\""),
            ("－1", "\"'－1\""),
            ("＠SUM(A1)", "\"'＠SUM(A1)\""),
            ("a＝b", "a＝b"),
            ("a\u{2028}b\u{85},c", "\"a\\u2028b\\u0085,c\""),
            ("a\u{B}b\u{1E}", "a\\u000bb\\u001e"),
            ("§ – é", "§ – é"),
            ("", ""),
        ];
        for (field, want) in table {
            assert_eq!(quoted(field), want);
        }
    }

    proptest! {
        #[test]
        fn a_field_stays_one_field(field in "\\PC{0,40}|[=+@\",\\r\\n＝＋\u{2028}\u{85}\u{C}-]{0,6}") {
            let text = quoted(&field);
            let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let read = if let Some(inner) = inner {
                let bare = inner.replace("\"\"", "");
                prop_assert!(!bare.contains('"'));
                inner.replace("\"\"", "\"")
            } else {
                let plain = !text.contains([',', '"', '\n', '\r']);
                prop_assert!(plain);
                text
            };
            prop_assert!(!read.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']));
            let broken = read.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{B}', '\u{C}']);
            prop_assert!(!broken);
            let shown = on_one_line(&field);
            prop_assert_eq!(read.strip_prefix('\'').unwrap_or(&read), shown.strip_prefix('\'').unwrap_or(&shown));
        }
    }
}
