//! The stored list of links: bytes as those of any list, but the first one takes no allocation, which
//! a replay would make for almost every record; and no memory is taken for links that are not there.

use std::fmt;

use eventlog::Seq;
use keys::{KeyId, Status};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use signedlog::Leaf;

use super::twin::twin;
use crate::record::Link;

twin!(StatusV1 = Status { Enabled, Disabled, Expired, Revoked });

#[derive(Serialize, Deserialize)]
pub(super) struct LinkV1 {
    key: [u8; 16],
    revision: u32,
    before: Option<StatusV1>,
    after: StatusV1,
    previous: Option<PreviousV1>,
}

#[derive(Serialize, Deserialize)]
struct PreviousV1 {
    seq: u64,
    leaf: [u8; 32],
}

impl LinkV1 {
    pub(super) fn new(link: &Link) -> LinkV1 {
        LinkV1 {
            key: link.key.to_bytes(),
            revision: link.revision,
            before: link.before.map(Into::into),
            after: link.after.into(),
            previous: link.previous.map(|(seq, leaf)| PreviousV1 { seq: seq.0, leaf: leaf.0 }),
        }
    }

    pub(super) fn into_link(self) -> Link {
        Link {
            key: KeyId::from_bytes(self.key),
            revision: self.revision,
            before: self.before.map(Into::into),
            after: self.after.into(),
            previous: self.previous.map(|PreviousV1 { seq, leaf }| (Seq(seq), Leaf(leaf))),
        }
    }
}

/// Links of one record, in their order.
#[derive(Default)]
pub(super) struct LinksV1 {
    first: Option<LinkV1>,
    others: Vec<LinkV1>,
}

impl LinksV1 {
    pub(super) fn into_iter(self) -> impl Iterator<Item = LinkV1> {
        self.first.into_iter().chain(self.others)
    }
}

impl FromIterator<LinkV1> for LinksV1 {
    fn from_iter<I: IntoIterator<Item = LinkV1>>(links: I) -> LinksV1 {
        let mut links = links.into_iter();
        LinksV1 { first: links.next(), others: links.collect() }
    }
}

impl Serialize for LinksV1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(Counted { links: self, next: 0 })
    }
}

/// Knows how many links there are, which goes in front of them.
struct Counted<'l> {
    links: &'l LinksV1,
    next: usize,
}

impl<'l> Iterator for Counted<'l> {
    type Item = &'l LinkV1;

    fn next(&mut self) -> Option<&'l LinkV1> {
        let place = self.next;
        self.next += 1;
        match place.checked_sub(1) {
            None => self.links.first.as_ref(),
            Some(place) => self.links.others.get(place),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let all = usize::from(self.links.first.is_some()) + self.links.others.len();
        let left = all.saturating_sub(self.next);
        (left, Some(left))
    }
}

impl<'de> Deserialize<'de> for LinksV1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LinksV1, D::Error> {
        struct Links;

        impl<'de> Visitor<'de> for Links {
            type Value = LinksV1;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of links")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut read: A) -> Result<LinksV1, A::Error> {
                let mut links = LinksV1 { first: read.next_element()?, others: Vec::new() };
                while let Some(link) = read.next_element()? {
                    links.others.push(link);
                }
                Ok(links)
            }
        }

        deserializer.deserialize_seq(Links)
    }
}
