//! Why an answer of a time-stamping authority is no time-stamp, or none to be believed.

/// Why an answer of a time-stamping authority is no time-stamp, or none to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It is not the DER of what RFC 3161 says; which part is not.
    #[error("it is no time-stamp of RFC 3161: {0}")]
    Malformed(&'static str),
    /// The authority refused.
    #[error("the authority granted no time-stamp: status {0}")]
    Refused(u8),
    /// Its hash is of another algorithm, or of something else.
    #[error("it is a time-stamp of something else")]
    Imprint,
    /// It answers another request.
    #[error("it answers another request")]
    Nonce,
    /// The certificate of the signer is not in it.
    #[error("the certificate of its signer is not in it")]
    NoCertificate,
    /// What was signed names another certificate.
    #[error("its signature is for another certificate than the one in it")]
    OtherCertificate,
    /// The certificate is for other uses too, or for others only (RFC 3161 §2.3).
    #[error("the certificate of its signer is not for time-stamping alone")]
    Usage,
    /// An algorithm that is not supported: SHA-256, -384 or -512 with RSA (PKCS #1 v1.5, 2,048 to 8,192
    /// bits) or ECDSA (P-256, P-384).
    #[error("it is signed with an algorithm that is not supported")]
    Algorithm,
    /// The digest in the signed attributes is not that of the content.
    #[error("what is signed is not what it says")]
    Digest,
    /// The signature is bad.
    #[error("its signature is bad")]
    Signature,
    /// No chain leads from the certificate to a root, at the time of the stamp.
    #[error("no chain of certificates leads from its signer to a trusted root, at its time")]
    Untrusted,
}
