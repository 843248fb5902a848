//! DER, one element after the other. Strict: every length is definite and minimal, and nothing is left
//! over. Nothing recurses, so that no input is too deep.

use der::asn1::ObjectIdentifier as Oid;
use der::{Decode as _, Header, Reader as _, SliceReader, Tag, TagNumber};

use crate::invalid::Invalid;

/// An element.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: Tag,
    /// With its tag and its length.
    pub(crate) whole: &'a [u8],
    pub(crate) content: &'a [u8],
}

/// The elements of some bytes. An error names what is read.
pub(crate) struct Fields<'a> {
    reader: SliceReader<'a>,
    what: &'static str,
}

/// `[number]`, with elements in it.
pub(crate) const fn context(number: TagNumber) -> Tag {
    Tag::ContextSpecific { constructed: true, number }
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Result<Fields<'a>, Invalid> {
        let reader = SliceReader::new(bytes).map_err(|_| Invalid::Malformed(what))?;
        Ok(Fields { reader, what })
    }

    /// The elements of the one element that `bytes` are.
    pub(crate) fn of_one(
        bytes: &'a [u8],
        tag: Tag,
        what: &'static str,
    ) -> Result<Fields<'a>, Invalid> {
        let mut fields = Fields::new(bytes, what)?;
        let element = fields.next(tag)?;
        fields.end()?;
        Fields::new(element.content, what)
    }

    /// Whether there is another one.
    pub(crate) fn has_next(&self) -> bool {
        !self.reader.is_finished()
    }

    /// The next one, of any tag.
    pub(crate) fn any(&mut self) -> Result<Element<'a>, Invalid> {
        let what = Invalid::Malformed(self.what);
        let whole = self.reader.tlv_bytes().map_err(|_| what)?;
        let mut reader = SliceReader::new(whole).map_err(|_| what)?;
        let header = Header::decode(&mut reader).map_err(|_| what)?;
        let content = reader.read_slice(header.length).map_err(|_| what)?;
        Ok(Element { tag: header.tag, whole, content })
    }

    /// The next one, which has this tag.
    pub(crate) fn next(&mut self, tag: Tag) -> Result<Element<'a>, Invalid> {
        let element = self.any()?;
        if element.tag == tag { Ok(element) } else { Err(Invalid::Malformed(self.what)) }
    }

    /// The next one, if it has this tag.
    pub(crate) fn optional(&mut self, tag: Tag) -> Result<Option<Element<'a>>, Invalid> {
        match self.reader.peek_tag() {
            Ok(found) if found == tag => self.next(tag).map(Some),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// The elements of the next one, which has this tag.
    pub(crate) fn fields(&mut self, tag: Tag) -> Result<Fields<'a>, Invalid> {
        Fields::new(self.next(tag)?.content, self.what)
    }

    pub(crate) fn oid(&mut self) -> Result<Oid, Invalid> {
        let content = self.next(Tag::ObjectIdentifier)?.content;
        Oid::from_bytes(content).map_err(|_| Invalid::Malformed(self.what))
    }

    /// The identifier of an algorithm; its parameters are absent or null.
    pub(crate) fn algorithm(&mut self) -> Result<Oid, Invalid> {
        let mut fields = self.fields(Tag::Sequence)?;
        let oid = fields.oid()?;
        let parameters = fields.optional(Tag::Null)?;
        fields.end()?;
        let lawful = parameters.is_none_or(|null| null.content.is_empty());
        if lawful { Ok(oid) } else { Err(Invalid::Malformed(self.what)) }
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Result<(), Invalid> {
        if self.has_next() { Err(Invalid::Malformed(self.what)) } else { Ok(()) }
    }
}
