//! The answer and the token in it: `SignedData` with one signer (RFC 3161 §2.4.2, RFC 5652 §5).

use der::asn1::ObjectIdentifier as Oid;
use der::{Tag, TagNumber};

use crate::fields::{Fields, context};
use crate::invalid::Invalid;
use crate::oids;

const WHAT: &str = "its token";

/// A token, taken apart.
pub(crate) struct Token<'a> {
    /// The DER of `TSTInfo`.
    pub(crate) info: &'a [u8],
    /// Those that it carries, in no order.
    pub(crate) certificates: Vec<&'a [u8]>,
    pub(crate) signer: Signer<'a>,
}

/// Who signed it, what, and how.
pub(crate) struct Signer<'a> {
    /// The name in its certificate of who issued that, with tag and length.
    pub(crate) issuer: &'a [u8],
    /// The content of the certificate's serial number.
    pub(crate) serial: &'a [u8],
    pub(crate) digest: Oid,
    /// The signed attributes: the content of their set.
    pub(crate) attributes: &'a [u8],
    pub(crate) algorithm: Oid,
    pub(crate) signature: &'a [u8],
}

/// The token of an answer that grants one.
pub(crate) fn of_answer(answer: &[u8]) -> Result<&[u8], Invalid> {
    let what = "the answer";
    let mut fields = Fields::of_one(answer, Tag::Sequence, what)?;
    let mut status = fields.fields(Tag::Sequence)?;
    // Granted, or granted with modifications. What else is said of it is for people.
    match status.next(Tag::Integer)?.content {
        [0 | 1] => {}
        [other] => return Err(Invalid::Refused(*other)),
        _ => return Err(Invalid::Malformed(what)),
    }
    let token = fields.next(Tag::Sequence)?;
    fields.end()?;
    Ok(token.whole)
}

pub(crate) fn parse(token: &[u8]) -> Result<Token<'_>, Invalid> {
    let mut content_info = Fields::of_one(token, Tag::Sequence, WHAT)?;
    if content_info.oid()? != oids::SIGNED_DATA {
        return Err(Invalid::Malformed(WHAT));
    }
    let mut explicit = content_info.fields(context(TagNumber::N0))?;
    content_info.end()?;
    let mut data = explicit.fields(Tag::Sequence)?;
    explicit.end()?;

    data.next(Tag::Integer)?;
    data.next(Tag::Set)?;
    let mut content = data.fields(Tag::Sequence)?;
    if content.oid()? != oids::TST_INFO {
        return Err(Invalid::Malformed(WHAT));
    }
    let mut explicit = content.fields(context(TagNumber::N0))?;
    content.end()?;
    let info = explicit.next(Tag::OctetString)?.content;
    explicit.end()?;
    let mut certificates = Vec::new();
    if let Some(set) = data.optional(context(TagNumber::N0))? {
        let mut set = Fields::new(set.content, WHAT)?;
        while set.has_next() {
            certificates.push(set.next(Tag::Sequence)?.whole);
        }
    }
    data.optional(context(TagNumber::N1))?;
    let mut signers = data.fields(Tag::Set)?;
    data.end()?;
    let signer = signer(signers.fields(Tag::Sequence)?)?;
    // There must be exactly one.
    signers.end()?;
    Ok(Token { info, certificates, signer })
}

fn signer(mut fields: Fields<'_>) -> Result<Signer<'_>, Invalid> {
    if fields.next(Tag::Integer)?.content != [1] {
        return Err(Invalid::Malformed(WHAT));
    }
    let mut id = fields.fields(Tag::Sequence)?;
    let issuer = id.next(Tag::Sequence)?.whole;
    let serial = id.next(Tag::Integer)?.content;
    id.end()?;
    let digest = fields.algorithm()?;
    let attributes = fields.next(context(TagNumber::N0))?.content;
    let algorithm = fields.algorithm()?;
    let signature = fields.next(Tag::OctetString)?.content;
    fields.optional(context(TagNumber::N1))?;
    fields.end()?;
    Ok(Signer { issuer, serial, digest, attributes, algorithm, signature })
}
