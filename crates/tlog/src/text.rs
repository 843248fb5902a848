//! The strict spellings that all the text formats share: one value, one text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Standard, padded base64 (RFC 4648 §4).
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The same of 32 bytes, as bytes of ASCII.
pub(crate) fn base64_of(bytes: &[u8; 32]) -> [u8; 44] {
    let mut base64 = [b'='; 44];
    // It has the very length that is needed.
    let _ = STANDARD.encode_slice(bytes, &mut base64);
    base64
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
