//! The bytes of a cosignature: a time in front of an Ed25519 signature, and the text that is
//! signed (c2sp.org/tlog-cosignature, "Format").

/// The largest time a cosignature may bear, in seconds since 1970.
pub(crate) const MAX_TIME_S: u64 = (1 << 63) - 1;

/// The text that a cosignature signs, for a checkpoint with this text.
pub(crate) fn message(text: &str, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

/// The bytes of a cosignature.
pub(crate) fn join(time_s: u64, signature: &[u8; 64]) -> Vec<u8> {
    [time_s.to_be_bytes().as_slice(), signature].concat()
}

/// The time and the Ed25519 signature in a cosignature's bytes.
pub(crate) fn split(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = bytes.split_first_chunk()?;
    let time_s = u64::from_be_bytes(*time);
    (time_s <= MAX_TIME_S).then_some((time_s, signature))
}
