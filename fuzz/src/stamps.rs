//! What a time-stamping authority answers.

use timestamp::{Roots, Stamp};

/// The answer of a time-stamping authority, and root certificates.
pub fn stamp(data: &[u8]) {
    let roots = Roots::from_pem(data);
    let Ok(stamp) = Stamp::parse(data) else { return };
    let _ = (stamp.is_over(b"what was stamped\n"), stamp.answers(1), stamp.at_us());
    // What is no good by itself is none for anybody.
    let signed = stamp.is_signed();
    if let Ok(roots) = roots {
        assert!(signed.is_ok() || stamp.is_trusted(&roots).is_err(), "trusted, and not signed");
    }
}
