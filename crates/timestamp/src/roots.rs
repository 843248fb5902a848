//! The authorities that somebody trusts.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor};

use crate::certificate;

/// Root certificates of time-stamping authorities, and perhaps some of those between.
#[derive(Clone, Debug)]
pub struct Roots {
    roots: Vec<Root>,
    /// A certificate that another one issued is no root, whoever lists it: as openssl takes it.
    between: Vec<CertificateDer<'static>>,
}

#[derive(Clone, Debug)]
struct Root {
    anchor: TrustAnchor<'static>,
    valid_s: std::ops::RangeInclusive<i64>,
}

/// Why a text is no list of root certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoots {
    /// It has no PEM block of a certificate that issued itself.
    #[error("it has no root certificate in PEM form")]
    None,
    /// A block of it is no certificate.
    #[error("a certificate in it is damaged")]
    Damaged,
}

impl Roots {
    /// Reads the certificates of a PEM file; other text in it is passed over.
    ///
    /// # Errors
    ///
    /// [`InvalidRoots`]
    pub fn from_pem(text: &[u8]) -> Result<Roots, InvalidRoots> {
        let (mut roots, mut between) = (Vec::new(), Vec::new());
        for certificate in CertificateDer::pem_slice_iter(text) {
            let certificate = certificate.map_err(|_| InvalidRoots::Damaged)?;
            let parsed = certificate::parse(&certificate).map_err(|_| InvalidRoots::Damaged)?;
            if parsed.issuer != parsed.subject {
                between.push(certificate);
                continue;
            }
            let anchor = webpki::anchor_from_trusted_cert(&certificate);
            let anchor = anchor.map_err(|_| InvalidRoots::Damaged)?.to_owned();
            roots.push(Root { anchor, valid_s: parsed.valid_s });
        }
        if roots.is_empty() { Err(InvalidRoots::None) } else { Ok(Roots { roots, between }) }
    }

    /// Those between, of which each may be a link of a chain.
    pub(crate) fn between(&self) -> &[CertificateDer<'static>] {
        &self.between
    }

    /// Those that are good at a moment, in seconds since 1970.
    pub(crate) fn at(&self, seconds: i64) -> Vec<TrustAnchor<'_>> {
        let good = self.roots.iter().filter(|root| root.valid_s.contains(&seconds));
        good.map(|root| root.anchor.clone()).collect()
    }
}
