//! Why stored bytes are no record.

/// Why bytes are no record.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DecodeError {
    /// They are empty, or of a version that this program does not know.
    #[error("unknown record version")]
    Version,
    /// They are not in the layout of their version.
    #[error("not a record: {0}")]
    Layout(String),
    /// A value in them is not lawful.
    #[error("a record holds an unlawful value: {0}")]
    Value(#[from] keys::Invalid),
    /// A person's key is not in the keyring, and never was.
    #[error("the keyring has no key {0}")]
    NoKey(keys::Pseudonym),
    /// A part was not sealed with the key of the person that it names.
    #[error("a part of a record is not sealed with the key that it names")]
    Sealed,
    /// They are not the bytes that encoding gives.
    #[error("a record is not encoded canonically")]
    NotCanonical,
}
