//! What of a certificate matters here beside its signature and its chain (RFC 5280 §4.1).

use der::{Tag, TagNumber};

use crate::fields::{Fields, context};
use crate::invalid::Invalid;
use crate::moment;
use crate::oids;

const WHAT: &str = "a certificate";

/// What of a certificate matters here.
pub(crate) struct Certificate<'a> {
    /// The name of who issued it, with tag and length.
    pub(crate) issuer: &'a [u8],
    /// The name of whose it is, with tag and length.
    pub(crate) subject: &'a [u8],
    /// The content of its serial number.
    pub(crate) serial: &'a [u8],
    /// From when and until when it is good, both included, in seconds since 1970.
    pub(crate) valid_s: std::ops::RangeInclusive<i64>,
    /// Whether it is for time-stamping and for nothing else (RFC 3161 §2.3), so also not an authority's.
    pub(crate) is_for_stamping: bool,
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Certificate<'_>, Invalid> {
    let mut fields = Fields::of_one(bytes, Tag::Sequence, WHAT)?;
    let mut tbs = fields.fields(Tag::Sequence)?;
    tbs.optional(context(TagNumber::N0))?;
    let serial = tbs.next(Tag::Integer)?.content;
    tbs.next(Tag::Sequence)?;
    let issuer = tbs.next(Tag::Sequence)?.whole;
    let mut valid = tbs.fields(Tag::Sequence)?;
    let from = moment::of_certificate(valid.any()?, WHAT)?;
    let until = moment::of_certificate(valid.any()?, WHAT)?;
    valid.end()?;
    let subject = tbs.next(Tag::Sequence)?.whole;
    // Its key.
    tbs.next(Tag::Sequence)?;
    let mut is_for_stamping = false;
    while tbs.has_next() {
        let element = tbs.any()?;
        if element.tag == context(TagNumber::N3) {
            let extensions = Fields::of_one(element.content, Tag::Sequence, WHAT)?;
            is_for_stamping = is_for_stamping_alone(extensions)?;
        }
    }
    Ok(Certificate { issuer, subject, serial, valid_s: from..=until, is_for_stamping })
}

/// Whether the extensions have a critical extended key usage of time-stamping alone, the key usage,
/// if there is one, is for signatures alone, and it issues no certificates.
fn is_for_stamping_alone(mut extensions: Fields<'_>) -> Result<bool, Invalid> {
    let (mut extended, mut basic, mut issues) = (false, true, false);
    while extensions.has_next() {
        let mut extension = extensions.fields(Tag::Sequence)?;
        let oid = extension.oid()?;
        let critical = extension.optional(Tag::Boolean)?;
        let critical = critical.is_some_and(|critical| critical.content == [0xFF]);
        let value = extension.next(Tag::OctetString)?.content;
        extension.end()?;
        if oid == oids::EXTENDED_KEY_USAGE {
            let mut purposes = Fields::of_one(value, Tag::Sequence, WHAT)?;
            let first = purposes.oid()?;
            extended = critical && first == oids::TIME_STAMPING && !purposes.has_next();
        }
        if oid == oids::BASIC_CONSTRAINTS {
            let mut constraints = Fields::of_one(value, Tag::Sequence, WHAT)?;
            let is_authority = constraints.optional(Tag::Boolean)?;
            issues = is_authority.is_some_and(|flag| flag.content != [0]);
        }
        if oid == oids::KEY_USAGE {
            let mut bits = Fields::new(value, WHAT)?;
            basic = signs_alone(bits.next(Tag::BitString)?.content);
        }
    }
    Ok(extended && basic && !issues)
}

/// Whether a key usage has `digitalSignature` or `nonRepudiation`, and nothing else.
fn signs_alone(bits: &[u8]) -> bool {
    matches!(bits, [_, 0x40 | 0x80 | 0xC0])
}
