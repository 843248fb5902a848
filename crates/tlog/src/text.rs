//! The strict spellings that all the text formats share: one value, one text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Standard, padded base64 (RFC 4648 §4).
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The same of 32 bytes, at the end of `text`.
pub(crate) fn push_base64(text: &mut String, bytes: &[u8; 32]) {
    let mut base64 = [0; 44];
    let length = STANDARD.encode_slice(bytes, &mut base64).unwrap_or_default();
    // ASCII, and 44 of it: neither this nor the line above can fail.
    let base64 = base64.get(..length).map(str::from_utf8);
    text.push_str(base64.and_then(Result::ok).unwrap_or_default());
}

/// The bytes of a canonical base64 text: padded, no spaces, no stray trailing bits.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A decimal number with no sign and no leading zero (`0` itself is one digit).
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if digits && canonical { text.parse().ok() } else { None }
}

/// Whether `name` may stand in a signature line: not empty, no Unicode space, no plus, no
/// control character (c2sp.org/signed-note, Format).
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c == '+' || c < ' ' || c.is_whitespace())
}
