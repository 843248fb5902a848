//! The signed attributes of a token: what the signature is over.

use der::Tag;
use der::asn1::ObjectIdentifier as Oid;

use crate::algorithms::hash;
use crate::fields::Fields;
use crate::invalid::Invalid;
use crate::oids;

const WHAT: &str = "its signed attributes";

/// The signed attributes that matter: the content of each one's value.
struct Attributes<'a> {
    content_type: Oid,
    digest: &'a [u8],
    /// `ESSCertID` and `ESSCertIDv2` of the signer's certificate.
    certificate: Option<&'a [u8]>,
    certificate_v2: Option<&'a [u8]>,
}

/// Checks that the attributes are of this content, and of this certificate. The two ways of naming the
/// certificate may both be there, and then both must be right (RFC 5816 §2.2.1).
///
/// # Errors
///
/// [`Invalid::Digest`], [`Invalid::OtherCertificate`], [`Invalid::Malformed`].
pub(crate) fn check(
    attributes: &[u8],
    content: &[u8],
    digest: Oid,
    certificate: &[u8],
) -> Result<(), Invalid> {
    let attributes = parse(attributes)?;
    if attributes.content_type != oids::TST_INFO {
        return Err(Invalid::Digest);
    }
    if hash(digest, content)?.as_ref() != attributes.digest {
        return Err(Invalid::Digest);
    }
    if attributes.certificate.is_none() && attributes.certificate_v2.is_none() {
        return Err(Invalid::OtherCertificate);
    }
    if let Some(ids) = attributes.certificate {
        let mut id = first_id(ids)?;
        // The older form has SHA-1. It names one certificate among those that an authority has; that
        // this is the authority's is what the chain says.
        let sha1 = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, certificate);
        if id.next(Tag::OctetString)?.content != sha1.as_ref() {
            return Err(Invalid::OtherCertificate);
        }
    }
    if let Some(ids) = attributes.certificate_v2 {
        let mut id = first_id(ids)?;
        let algorithm = match id.optional(Tag::Sequence)? {
            Some(named) => Fields::new(named.whole, WHAT)?.algorithm()?,
            None => oids::SHA_256,
        };
        if id.next(Tag::OctetString)?.content != hash(algorithm, certificate)?.as_ref() {
            return Err(Invalid::OtherCertificate);
        }
    }
    Ok(())
}

/// The first of the certificates that a `SigningCertificate` names, which is the signer's.
fn first_id(signing_certificate: &[u8]) -> Result<Fields<'_>, Invalid> {
    let mut fields = Fields::of_one(signing_certificate, Tag::Sequence, WHAT)?;
    fields.fields(Tag::Sequence)?.fields(Tag::Sequence)
}

fn parse(attributes: &[u8]) -> Result<Attributes<'_>, Invalid> {
    let mut fields = Fields::new(attributes, WHAT)?;
    let mut found: Vec<(Oid, &[u8], bool)> = Vec::new();
    while fields.has_next() {
        let mut attribute = fields.fields(Tag::Sequence)?;
        let oid = attribute.oid()?;
        let mut values = attribute.fields(Tag::Set)?;
        attribute.end()?;
        let value = values.any()?.whole;
        let is_alone = !values.has_next();
        if found.iter().any(|(before, ..)| *before == oid) {
            return Err(Invalid::Malformed(WHAT));
        }
        found.push((oid, value, is_alone));
    }
    let of = |wanted: Oid| match found.iter().find(|(oid, ..)| *oid == wanted) {
        Some((.., false)) => Err(Invalid::Malformed(WHAT)),
        Some((_, value, true)) => Ok(Some(*value)),
        None => Ok(None),
    };
    let required = |wanted| of(wanted)?.ok_or(Invalid::Malformed(WHAT));
    let digest = Fields::new(required(oids::MESSAGE_DIGEST)?, WHAT)?.next(Tag::OctetString)?;
    Ok(Attributes {
        content_type: Fields::new(required(oids::CONTENT_TYPE)?, WHAT)?.oid()?,
        digest: digest.content,
        certificate: of(oids::SIGNING_CERTIFICATE)?,
        certificate_v2: of(oids::SIGNING_CERTIFICATE_V2)?,
    })
}
