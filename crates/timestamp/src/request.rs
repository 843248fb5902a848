//! What is sent to a time-stamping authority (RFC 3161 §2.4.1).

/// The time-stamp request for something whose SHA-256 is `sha256`, with a `nonce` that the answer must
/// repeat; it asks for the certificate of the signer. Sent as `application/timestamp-query`.
///
/// A nonce of some random 64 bits tells an answer of now from one that was given before.
#[must_use]
pub fn request(sha256: &[u8; 32], nonce: u64) -> Vec<u8> {
    let mut imprint = vec![
        // MessageImprint: the algorithm id-sha256 with null parameters, and the hash.
        0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    imprint.extend_from_slice(sha256);
    let nonce = integer(nonce);
    let mut request = vec![0x30, 0];
    // Version 1.
    request.extend([0x02, 0x01, 0x01]);
    request.extend(imprint);
    request.extend([0x02, u8::try_from(nonce.len()).unwrap_or_default()]);
    request.extend(nonce);
    // certReq
    request.extend([0x01, 0x01, 0xFF]);
    let length = u8::try_from(request.len() - 2).unwrap_or_default();
    if let Some(place) = request.get_mut(1) {
        *place = length;
    }
    request
}

/// The content of an INTEGER: as short as it can be, and with a leading zero where it would be negative.
pub(crate) fn integer(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let mut content: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    if content.first().is_none_or(|first| *first >= 0x80) {
        content.insert(0, 0);
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `openssl ts -query -text` reads them.
    #[test]
    fn a_request_is_der() {
        let hash = [0xAB; 32];
        let imprint = format!("3031300d060960864801650304020105000420{}", hex::encode(hash));
        for (nonce, written, length) in [
            (0, "020100", "3c"),
            (0x7F, "02017f", "3c"),
            (0x80, "02020080", "3d"),
            (u64::MAX, "020900ffffffffffffffff", "44"),
        ] {
            let expected = format!("30{length}020101{imprint}{written}0101ff");
            assert_eq!(hex::encode(request(&hash, nonce)), expected);
        }
    }
}
