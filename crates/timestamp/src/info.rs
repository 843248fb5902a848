//! `TSTInfo`: what an authority states (RFC 3161 §2.4.2).

use der::{Tag, TagNumber};

use crate::fields::{Fields, context};
use crate::invalid::Invalid;
use crate::moment;
use crate::oids;

const WHAT: &str = "its TSTInfo";

/// What an authority states.
pub(crate) struct Info<'a> {
    /// The SHA-256 of what was stamped.
    pub(crate) imprint: &'a [u8],
    /// When, in microseconds since 1970.
    pub(crate) at_us: i64,
    /// The content of the nonce's INTEGER.
    pub(crate) nonce: Option<&'a [u8]>,
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Info<'_>, Invalid> {
    let mut fields = Fields::of_one(bytes, Tag::Sequence, WHAT)?;
    if fields.next(Tag::Integer)?.content != [1] {
        return Err(Invalid::Malformed("its version is not 1"));
    }
    // Its policy.
    fields.next(Tag::ObjectIdentifier)?;
    let mut imprint = fields.fields(Tag::Sequence)?;
    let algorithm = imprint.algorithm()?;
    let hash = imprint.next(Tag::OctetString)?.content;
    imprint.end()?;
    if algorithm != oids::SHA_256 || hash.len() != 32 {
        return Err(Invalid::Imprint);
    }
    fields.next(Tag::Integer)?;
    let at_us = moment::generalized(fields.next(Tag::GeneralizedTime)?.content, WHAT)?;
    // The accuracy, and whether times of one authority can be ordered whatever that is.
    fields.optional(Tag::Sequence)?;
    fields.optional(Tag::Boolean)?;
    let nonce = fields.optional(Tag::Integer)?.map(|nonce| nonce.content);
    // The name of the authority, and extensions.
    fields.optional(context(TagNumber::N0))?;
    fields.optional(context(TagNumber::N1))?;
    fields.end()?;
    Ok(Info { imprint: hash, at_us, nonce })
}
