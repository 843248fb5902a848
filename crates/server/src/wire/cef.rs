//! Events in `ArcSight`'s Common Event Format, version 0 of it (CEF implementation standard, revision 25).

use std::fmt::{Display, Write as _};

use keys::EventKind;

use super::event::Event;
use super::reminder::Reminder;
use crate::webhooks::EXPIRING;

/// The severity of an event, from 0 to 10.
fn severity(kind: EventKind) -> u8 {
    match kind {
        EventKind::Created | EventKind::Enabled | EventKind::Expired => 3,
        EventKind::Disabled | EventKind::Updated => 5,
        EventKind::Revoked => 6,
    }
}

/// Appends the event as a line.
pub(crate) fn cef(text: &mut Vec<u8>, kind: EventKind, event: &Event<'_>) {
    let (class, mut fields) = (kind.as_str(), String::new());
    let Event { actor, origin, .. } = event;
    let mut field = |name: &str, value: Option<&dyn Display>| extension(&mut fields, name, value);
    field("rt", Some(&event.recorded_at.0.micros().div_euclid(1000)));
    field("externalId", Some(&event.seq));
    field("act", Some(&event.r#type));
    field("suser", Some(&actor.subject));
    field("src", origin.ip.as_ref().map(|ip| &ip.0 as &dyn Display));
    field("requestClientApplication", Some(&origin.dialect));
    field("reason", event.reason_code.as_ref().map(|code| code as &dyn Display));
    field("msg", event.reason.as_ref().map(|reason| reason as &dyn Display));
    for (at, (label, value)) in [
        ("account", Some(&event.account as &dyn Display)),
        ("keyId", Some(&event.key_id.0)),
        ("before", event.before.as_ref().map(|before| before as &dyn Display)),
        ("after", Some(&event.after)),
        ("requestId", origin.request_id.as_ref().map(|id| id as &dyn Display)),
    ]
    .into_iter()
    .enumerate()
    {
        if value.is_some() {
            field(&format!("cs{}Label", at + 1), Some(&label));
            field(&format!("cs{}", at + 1), value);
        }
    }
    field("cn1Label", Some(&"revision"));
    field("cn1", Some(&event.revision));
    text.extend_from_slice(header(class, &format!("API key {class}"), severity(kind)).as_bytes());
    text.extend_from_slice(fields.as_bytes());
}

/// Appends a reminder as a line; `duser` is whose key it is.
pub(crate) fn cef_reminder(text: &mut Vec<u8>, reminder: &Reminder<'_>) {
    let Reminder { id, view, days, ends_at, now } = reminder;
    let mut fields = String::new();
    for (name, value) in [
        ("rt", &now.micros().div_euclid(1000) as &dyn Display),
        ("externalId", id),
        ("act", &EXPIRING),
        ("duser", &view.key.owner.as_str()),
        ("deviceCustomDate1Label", &"expiresAt"),
        ("deviceCustomDate1", &ends_at.micros().div_euclid(1000)),
        ("cs1Label", &"account"),
        ("cs1", &view.key.account.as_str()),
        ("cs2Label", &"keyId"),
        ("cs2", &view.key.id),
        ("cn1Label", &"revision"),
        ("cn1", &view.state.revision),
        ("cn2Label", &"days"),
        ("cn2", days),
    ] {
        extension(&mut fields, name, Some(value));
    }
    text.extend_from_slice(header(EXPIRING, "API key expiring", 3).as_bytes());
    text.extend_from_slice(fields.as_bytes());
}

/// What stands before the extension: `CEF:0|vendor|product|version|class|name|severity|`.
fn header(class: &str, name: &str, severity: u8) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (class, name) = (in_header(class), in_header(name));
    format!("CEF:0|keyledger|keyledger|{version}|{class}|{name}|{severity}|")
}

/// Appends a field of the extension, if it has a value.
fn extension(fields: &mut String, name: &str, value: Option<&dyn Display>) {
    let Some(value) = value else { return };
    let space = if fields.is_empty() { "" } else { " " };
    let value = in_extension(&value.to_string());
    let _ = write!(fields, "{space}{name}={value}");
}

/// Escapes a field of the header: backslash and bar. It has no line breaks.
fn in_header(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '\\' | '|' => escaped.extend(['\\', one]),
            one if is_break(one) => escaped.push(' '),
            one => escaped.push(one),
        }
    }
    escaped
}

/// Escapes a value of the extension: backslash, equals sign, line breaks.
fn in_extension(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '\\' | '=' => escaped.extend(['\\', one]),
            '\r' => escaped.push_str("\\r"),
            one if is_break(one) => escaped.push_str("\\n"),
            one => escaped.push(one),
        }
    }
    escaped
}

/// What some reader takes for the end of a line.
fn is_break(one: char) -> bool {
    matches!(
        one,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads an extension as the standard says: `name=value`, blanks between, `\` escapes.
    fn read(extension: &str) -> Vec<(String, String)> {
        let mut fields: Vec<(String, String)> = Vec::new();
        let (mut word, mut value) = (String::new(), None::<String>);
        let mut chars = extension.chars();
        while let Some(one) = chars.next() {
            match (one, &mut value) {
                ('=', None) => value = Some(String::new()),
                (one, None) => word.push(one),
                ('\\', Some(value)) => match chars.next() {
                    Some('n') => value.push('\n'),
                    Some('r') => value.push('\r'),
                    Some(other) => value.push(other),
                    None => panic!("a lone backslash"),
                },
                ('=', Some(whole)) => {
                    // The last word before it is the next name.
                    let (before, name) = whole.rsplit_once(' ').unwrap();
                    let next = name.to_owned();
                    fields.push((std::mem::take(&mut word), before.to_owned()));
                    (word, value) = (next, Some(String::new()));
                }
                (one, Some(value)) => value.push(one),
            }
        }
        fields.extend(value.map(|value| (word, value)));
        fields
    }

    proptest! {
        /// Whatever a value is, it is read again, and ends neither its field nor the line.
        #[test]
        fn any_value_stays_within_its_field(one in "\\PC{0,20}|[=|\\\\ a\n\r]{0,20}", other in "[=\\\\ b]{0,9}") {
            let (head, mut fields) = (header("created", &one, 3), String::new());
            extension(&mut fields, "suser", Some(&one));
            extension(&mut fields, "msg", Some(&other));
            prop_assert_eq!(format!("{head}{fields}").lines().count(), 1);
            // Every break but a return comes back as a line feed.
            let one_break = |c: char| if c != '\r' && is_break(c) { '\n' } else { c };
            let value: String = one.chars().map(one_break).collect();
            let expected = vec![("suser".to_owned(), value), ("msg".to_owned(), other)];
            prop_assert_eq!(read(&fields), expected);
            // Seven bars that are not escaped end the header.
            let bare = head.replace("\\\\", "").replace("\\|", "");
            prop_assert_eq!(bare.matches('|').count(), 7);
        }
    }

    #[test]
    fn breaks_of_any_kind_are_one() {
        assert_eq!(in_extension("a\u{2028}b\u{85}c\nd\re"), "a\\nb\\nc\\nd\\re");
        assert_eq!(in_header("a|b\\c\nd"), "a\\|b\\\\c d");
    }
}
