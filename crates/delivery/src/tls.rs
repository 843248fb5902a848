//! Whom to believe over TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// A file of certificate authorities that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{}` has no certificates that can be read: {why}", path.display())]
pub struct CaError {
    path: PathBuf,
    why: String,
}

/// TLS towards receivers: the authorities of the web, and those in the PEM files `more`.
///
/// # Errors
///
/// A file cannot be read, or has no certificate.
pub fn tls_config(more: &[PathBuf]) -> Result<Arc<ClientConfig>, CaError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for path in more {
        add(&mut roots, path).map_err(|why| CaError { path: path.clone(), why })?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| unreachable!("the provider has the cipher suites of both versions"))
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let mut added = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        added += 1;
    }
    if added == 0 { Err("there is none".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        tls_config(&[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(tls_config(std::slice::from_ref(&path)).is_err());
        std::fs::write(&path, "no certificate").unwrap();
        let refused = tls_config(&[path]).unwrap_err().to_string();
        assert!(refused.contains("there is none"), "{refused}");
    }
}
