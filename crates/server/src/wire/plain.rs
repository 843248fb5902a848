//! Texts, numbers and addresses at the end of a line of an export.
//!
//! An export has millions of lines: what `std::fmt` does for every occasion took a tenth of the time
//! of an audit, which makes them all again.

use std::io::Write as _;
use std::net::IpAddr;

/// Appends these one after the other.
pub(crate) fn put<const N: usize>(text: &mut Vec<u8>, parts: [&str; N]) {
    for part in parts {
        text.extend_from_slice(part.as_bytes());
    }
}

/// Appends a number in decimal.
pub(crate) fn number(text: &mut Vec<u8>, number: u64) {
    // Into memory: this cannot fail.
    let _ = serde_json::to_writer(text, &number);
}

/// Appends an address as it is displayed.
pub(crate) fn address(text: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                put(text, [if place == 0 { "" } else { "." }]);
                number(text, octet.into());
            }
        }
        IpAddr::V6(address) => drop(write!(text, "{address}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_is_displayed() {
        for shown in ["0.0.0.0", "10.0.200.255", "::", "2001:db8::1", "::ffff:1.2.3.4"] {
            let mut text = Vec::new();
            address(&mut text, shown.parse().unwrap());
            assert_eq!(text, shown.as_bytes());
        }
    }
}
