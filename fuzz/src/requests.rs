//! What comes with a request.

use std::sync::LazyLock;

use keys::{AllowedIps, Digest, KeyId, KeyName, Metadata, Permission, Timestamp};
use ledger::AsOf;
use server::fuzzing::Tokens;

/// The text of a key, as a client presents it, and any text that may hide one.
pub fn secret(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Some(digest) = Digest::of_presented(text) {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        assert!(visible && (1..=512).contains(&text.len()), "what is digested can be a key");
        assert!(digest == Digest::of(text), "the digest is that of the whole text");
    }
    let shown = keys::without_keys(text);
    assert!(!keys::contains_key(&shown), "what is shown holds no key");
    assert_eq!(keys::contains_key(text), shown != text, "only keys are taken out");
}

/// A moment to look back to, and a time.
pub fn as_of(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(as_of) = text.parse::<AsOf>() {
        assert_eq!(as_of.to_string().parse::<AsOf>().ok(), Some(as_of), "it comes back");
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse::<Timestamp>().ok(), Some(time), "it comes back");
    }
}

/// The texts of a key: its id, name, permissions, addresses, metadata.
pub fn text(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(id) = text.parse::<KeyId>() {
        assert_eq!(id.to_string().parse::<KeyId>().ok(), Some(id), "it comes back");
    }
    if let Ok(name) = KeyName::new(text) {
        assert_eq!(KeyName::new(name.as_str()).ok(), Some(name), "a checked name is a name");
    }
    if let Ok(permission) = Permission::new(text) {
        assert_eq!(permission.to_string(), text, "a permission has one spelling");
    }
    let lines: Vec<&str> = text.lines().collect();
    if let Ok(allowed) = AllowedIps::parse(&lines) {
        let printed: Vec<String> = allowed.texts().collect();
        assert!(AllowedIps::parse(&printed).is_ok_and(|again| again == allowed), "they come back");
    }
    let pairs = lines.iter().filter_map(|line| line.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if let Ok(metadata) = Metadata::new(pairs) {
        assert!(metadata.iter().count() <= 20, "at most 20 pairs");
    }
}

/// An opaque cursor.
pub fn cursor(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let cursors = server::fuzzing::cursors(text);
    assert!(cursors.len() <= 1, "a cursor is of one list");
    assert!(cursors.iter().all(|again| again == text), "a cursor has one spelling");
}

/// The lines of `Forwarded` or `X-Forwarded-For`; the first byte says which.
pub fn forwarded(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    // Fewer than the door takes, so that two more in front push none out at the end.
    let lines = || rest.split(|byte| *byte == b'\n').take(64);
    let client = server::fuzzing::client(first % 2 == 0, lines());
    // What a client writes in front does not change what the proxies wrote behind it.
    let longer = [&b"for=192.0.2.1, "[..], b"192.0.2.1"];
    if let Some(client) = client {
        assert_eq!(client, client.to_canonical(), "an address has one form");
        let more = server::fuzzing::client(first % 2 == 0, longer.into_iter().chain(lines()));
        let trusted = client.is_loopback() || client.to_string().starts_with("10.");
        assert!(trusted || more == Some(client), "{more:?} is not {client}");
    }
}

/// The lines of `Accept` and of `If-Match`.
pub fn headers(data: &[u8]) {
    server::fuzzing::negotiation(data.split(|byte| *byte == b'\n'));
}

/// A line of an import. How its JSON is spelled, and in which order, does not change what it says.
pub fn import_line(data: &[u8]) {
    if let Some(meaning) = server::fuzzing::import_line(data) {
        let again = serde_json::from_slice(data).map(|line: serde_json::Value| line.to_string());
        let again = again.ok().and_then(|again| server::fuzzing::import_line(again.as_bytes()));
        assert_eq!(again, Some(meaning), "it says the same again");
    }
}

static TOKENS: LazyLock<Option<Tokens>> = LazyLock::new(|| Tokens::new().ok());

/// A token, all of it: nobody but the service and the issuer can sign one.
pub fn token(data: &[u8]) {
    if let (Ok(text), Some(tokens)) = (str::from_utf8(data), TOKENS.as_ref()) {
        assert!(!tokens.accepts(text), "a forged token is accepted");
    }
}

/// The claims of a token that the service itself signed, and, in the first line, its header.
pub fn claims(data: &[u8]) {
    let Some(tokens) = TOKENS.as_ref() else { return };
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let accepted = tokens.accepts(&tokens.signed(header, claims));
    let names_us = claims.windows(9).any(|window| window == b"keyledger");
    // Escaped in JSON it may be spelled otherwise.
    assert!(!accepted || names_us || claims.contains(&b'\\'), "the issuer is looked at");
}
