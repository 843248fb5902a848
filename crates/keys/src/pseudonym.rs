//! The name of a person in records.

use std::fmt;
use std::str::FromStr;

use crate::invalid::Invalid;

/// What a person is called in records: 16 bytes that say nothing about who it is. Written as 32
/// lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pseudonym(pub [u8; 16]);

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Pseudonym {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Pseudonym, Invalid> {
        let lawful = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(lawful) {
            return Err(Invalid::NotAPseudonym);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| Invalid::NotAPseudonym)?;
        Ok(Pseudonym(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_text_is_read_back_and_no_other() {
        let one = Pseudonym([0, 1, 0xab, 0xff, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(one.to_string(), "0001abff0405060708090a0b0c0d0e0f");
        assert_eq!(one.to_string().parse(), Ok(one));
        for text in
            ["", "0", "+001abff0405060708090a0b0c0d0e0f", "0001ABFF0405060708090a0b0c0d0e0f"]
        {
            assert_eq!(text.parse::<Pseudonym>(), Err(Invalid::NotAPseudonym), "{text}");
        }
    }
}
