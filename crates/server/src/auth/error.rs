//! Why the sources of tokens cannot be used as configured.

use std::path::PathBuf;

/// Why the sources of tokens cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Issuer or audience are missing.
    #[error("tokens from outside need --jwt-issuer and --jwt-audience, the issuer not 'keyledger'")]
    IssuerAndAudience,
    /// The HS256 secret is too short.
    #[error("the HS256 secret must have at least 32 bytes")]
    ShortSecret,
    /// A file cannot be read.
    #[error("cannot read {path}: {source}; check --jwks-file")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The JWKS file has no key that can be used.
    #[error(
        "{path} is no JWKS of at most 1 MiB, or has keys and none of EdDSA, RS256 or ES256 that can \
         be used; check --jwks-file"
    )]
    NoKeys {
        /// The file.
        path: PathBuf,
    },
}
