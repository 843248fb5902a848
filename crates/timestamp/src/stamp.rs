//! A time-stamp: read, and verified.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256};
use webpki::{EndEntityCert, KeyUsage};

use crate::certificate::{self, Certificate};
use crate::info::{self, Info};
use crate::invalid::Invalid;
use crate::request::integer;
use crate::roots::Roots;
use crate::token::{self, Token};
use crate::{algorithms, attributes};

/// The longest answer that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

/// id-kp-timeStamping, without tag and length.
const TIME_STAMPING: &[u8] = &[0x2B, 6, 1, 5, 5, 7, 3, 8];

/// An answer of a time-stamping authority that grants a time-stamp. Who signed it is not checked yet.
pub struct Stamp<'a> {
    token: Token<'a>,
    info: Info<'a>,
}

impl<'a> Stamp<'a> {
    /// Reads the DER of a `TimeStampResp`.
    ///
    /// # Errors
    ///
    /// [`Invalid::Malformed`], [`Invalid::Refused`], [`Invalid::Algorithm`]; [`Invalid::Imprint`] for a
    /// hash that is not SHA-256.
    pub fn parse(answer: &'a [u8]) -> Result<Stamp<'a>, Invalid> {
        if answer.len() > MAX_BYTES {
            return Err(Invalid::Malformed("it is too long"));
        }
        let token = token::parse(token::of_answer(answer)?)?;
        let info = info::parse(token.info)?;
        algorithms::verifications(token.signer.algorithm, token.signer.digest)?;
        Ok(Stamp { token, info })
    }

    /// When, in microseconds since 1970.
    #[must_use]
    pub fn at_us(&self) -> i64 {
        self.info.at_us
    }

    /// Checks that it is of these bytes.
    ///
    /// # Errors
    ///
    /// [`Invalid::Imprint`]
    pub fn is_over(&self, bytes: &[u8]) -> Result<(), Invalid> {
        let same = *self.info.imprint == *Sha256::digest(bytes);
        if same { Ok(()) } else { Err(Invalid::Imprint) }
    }

    /// Checks that it answers the request with this nonce.
    ///
    /// # Errors
    ///
    /// [`Invalid::Nonce`]
    pub fn answers(&self, nonce: u64) -> Result<(), Invalid> {
        let same = self.info.nonce == Some(&integer(nonce));
        if same { Ok(()) } else { Err(Invalid::Nonce) }
    }

    /// Checks that it is signed by the one certificate in it that it names, which is for time-stamping
    /// alone. That proves no more than that the answer is whole: anybody makes certificates.
    ///
    /// # Errors
    ///
    /// All but [`Invalid::Untrusted`], [`Invalid::Nonce`] and [`Invalid::Refused`].
    pub fn is_signed(&self) -> Result<(), Invalid> {
        self.signer().map(drop)
    }

    /// Checks that it is signed as [`Stamp::is_signed`] says, and that a chain of the certificates in it
    /// leads from its signer to one of `roots`, all of them good at the stamped time. Revocation is not
    /// looked at.
    ///
    /// # Errors
    ///
    /// As [`Stamp::is_signed`], and [`Invalid::Untrusted`].
    pub fn is_trusted(&self, roots: &Roots) -> Result<(), Invalid> {
        let signer = self.signer()?;
        let signer = EndEntityCert::try_from(&signer).map_err(|_| Invalid::Untrusted)?;
        let seconds = self.info.at_us.div_euclid(1_000_000);
        let at = u64::try_from(seconds).map_err(|_| Invalid::Untrusted)?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
        let own = self.token.certificates.iter().map(|bytes| CertificateDer::from(*bytes));
        let certificates: Vec<_> = own.chain(roots.between().iter().cloned()).collect();
        // That the signer's own has it, and nothing else, is checked above; those between often have none.
        let (anchors, usage) = (roots.at(seconds), KeyUsage::required_if_present(TIME_STAMPING));
        let chain = signer.verify_for_usage(
            algorithms::ALL,
            &anchors,
            &certificates,
            at,
            usage,
            None,
            None,
        );
        chain.map(drop).map_err(|_| Invalid::Untrusted)
    }

    /// The signer's certificate, with which the signature is good.
    fn signer(&self) -> Result<CertificateDer<'a>, Invalid> {
        let Token { info, certificates, signer } = &self.token;
        let (certificate, bytes) = self.named(certificates)?;
        if !certificate.is_for_stamping {
            return Err(Invalid::Usage);
        }
        attributes::check(signer.attributes, info, signer.digest, bytes)?;
        let der = CertificateDer::from(bytes);
        let end =
            EndEntityCert::try_from(&der).map_err(|_| Invalid::Malformed("its certificate"))?;
        let signed = set(signer.attributes);
        let verifications = algorithms::verifications(signer.algorithm, signer.digest)?;
        let mut verdict = Err(Invalid::Algorithm);
        for verification in verifications {
            match end.verify_signature(verification, &signed, signer.signature) {
                Ok(()) => return Ok(der),
                Err(webpki::Error::InvalidSignatureForPublicKey) => {
                    verdict = Err(Invalid::Signature);
                }
                // Another curve, another kind of key.
                Err(_) => {}
            }
        }
        verdict
    }

    /// The certificate of the signer, among those that the token carries.
    fn named(&self, certificates: &[&'a [u8]]) -> Result<(Certificate<'a>, &'a [u8]), Invalid> {
        let mut named = Err(Invalid::NoCertificate);
        for bytes in certificates {
            let certificate = certificate::parse(bytes)?;
            let signer = &self.token.signer;
            let is_named =
                certificate.issuer == signer.issuer && certificate.serial == signer.serial;
            if is_named && named.is_err() {
                named = Ok((certificate, *bytes));
            }
        }
        named
    }
}

/// What is signed: the attributes as a SET, and not under the tag that they have in the token
/// (RFC 5652 §5.4).
fn set(attributes: &[u8]) -> Vec<u8> {
    let length = attributes.len();
    let mut set = vec![0x31];
    let bytes = length.to_be_bytes();
    let bytes: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    if length >= 0x80 {
        set.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
    }
    set.extend(bytes);
    set.extend_from_slice(attributes);
    set
}

#[cfg(test)]
#[path = "stamp_tests.rs"]
mod tests;
