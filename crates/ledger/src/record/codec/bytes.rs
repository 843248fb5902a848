//! Writing and reading bincode in its standard configuration.

/// Without a limit: counting every byte makes a start a sixth slower. So no stored type may own what it
/// reads a length of: bincode makes room for a `String` as long as the bytes say it is, before it
/// looks whether there are so many; a `&str` is held against them.
pub(super) fn config() -> impl bincode::config::Config {
    bincode::config::standard()
}

/// Appends the encoding of `stored`.
#[expect(clippy::expect_used, reason = "a part of a record must never be stored")]
pub(super) fn write(stored: impl serde::Serialize, bytes: &mut Vec<u8>) {
    bincode::serde::encode_into_std_write(stored, bytes, config())
        .expect("numbers and texts are written into memory");
}
