//! `If-Match`: the revisions that a change is meant for (RFC 9110 §13.1.1).

use axum::http::{HeaderMap, header};

use crate::error::ApiError;
use crate::request::extract::number;

/// What a proxy that packs an answer on its way makes of its tag: nginx, Envoy and `HAProxy` make
/// it weak, Apache, Caddy and Jetty write the coding behind it. A client sends back what it saw, and
/// means the revision: it is the same answer, and a revision is never used twice.
const PACKED: [&str; 6] = ["--gzip", "-gzip", "-br", "-zstd", "-deflate", ";gzip"];

/// Which revisions a change may be made to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Revisions {
    /// Whatever there is.
    Any,
    /// One of these. A tag that was never ours is none.
    OneOf(Vec<u32>),
}

impl Revisions {
    /// What `If-Match` asks for.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Revisions, ApiError> {
        let wrong = || ApiError::field("if-match", "must be revisions such as \"3\", or *");
        let (mut revisions, mut members, mut any) = (Vec::new(), 0, false);
        for value in headers.get_all(header::IF_MATCH) {
            let mut rest = value.to_str().map_err(|_| wrong())?.trim();
            while !rest.is_empty() {
                let (tag, after) = member(rest).ok_or_else(wrong)?;
                match tag {
                    Member::Nothing => {}
                    Member::Any => any = true,
                    Member::Tag(tag) => revisions.extend(revision(tag)),
                }
                members += usize::from(tag != Member::Nothing);
                rest = after;
            }
        }
        match (any, members) {
            (true, 1) => Ok(Revisions::Any),
            (false, 0) if !headers.contains_key(header::IF_MATCH) => Ok(Revisions::Any),
            // An empty list, or one with a star among others, asks for nothing that can be had.
            (true, _) | (false, 0) => Err(wrong()),
            (false, _) => Ok(Revisions::OneOf(revisions)),
        }
    }

    /// The one to ask the ledger for, where `current` is the present one. No key has revision 0.
    pub(crate) fn wanted(&self, current: impl FnOnce() -> Option<u32>) -> Option<u32> {
        match self {
            Revisions::Any => None,
            Revisions::OneOf(revisions) => match revisions.as_slice() {
                [] => Some(0),
                [one] => Some(*one),
                [first, ..] => {
                    Some(current().filter(|now| revisions.contains(now)).unwrap_or(*first))
                }
            },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Member<'a> {
    /// RFC 9110 §5.6.1.2: a list may have empty members.
    Nothing,
    Any,
    Tag(&'a str),
}

/// The first member of a list that is not empty, and what follows.
fn member(text: &str) -> Option<(Member<'_>, &str)> {
    let (member, after) = if let Some(after) = text.strip_prefix('*') {
        (Member::Any, after)
    } else if text.starts_with(',') {
        (Member::Nothing, text)
    } else {
        let (tag, after) =
            text.strip_prefix("W/").unwrap_or(text).strip_prefix('"')?.split_once('"')?;
        (Member::Tag(tag), after)
    };
    let after = after.trim_start();
    match after.strip_prefix(',') {
        Some(after) => Some((member, after.trim_start())),
        None if after.is_empty() => Some((member, after)),
        None => None,
    }
}

/// The revision that a tag means, if it is one of ours.
fn revision(tag: &str) -> Option<u32> {
    let bare = PACKED.iter().find_map(|end| tag.strip_suffix(end)).unwrap_or(tag);
    number(bare).and_then(|revision| u32::try_from(revision).ok())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(lists: &[&str]) -> Option<Revisions> {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(header::IF_MATCH, HeaderValue::from_str(list).unwrap());
        }
        Revisions::of(&headers).ok()
    }

    #[test]
    fn a_tag_is_a_revision_whatever_a_proxy_made_of_it() {
        let one_of = |revisions: &[u32]| Some(Revisions::OneOf(revisions.to_vec()));
        let table = [
            (&[][..], Some(Revisions::Any)),
            (&["*"], Some(Revisions::Any)),
            (&["\"3\""], one_of(&[3])),
            (&["W/\"3\""], one_of(&[3])),
            (&["\"3-gzip\""], one_of(&[3])),
            (&["\"3--gzip\""], one_of(&[3])),
            (&["W/\"3-br\""], one_of(&[3])),
            (&["\"3\", \"4\",W/\"5\""], one_of(&[3, 4, 5])),
            (&["\"3\"", "\"4\""], one_of(&[3, 4])),
            (&[", \"3\" ,, "], one_of(&[3])),
            // A tag that was never ours matches nothing, and is no mistake.
            (&["\"abc\""], one_of(&[])),
            (&["\"a,b\", \"3\""], one_of(&[3])),
            (&["\"\""], one_of(&[])),
            (&["\"+3\""], one_of(&[])),
            (&["\"99999999999\""], one_of(&[])),
            (&["3"], None),
            (&["w/\"3\""], None),
            (&["\"3"], None),
            (&["\"3\" \"4\""], None),
            (&["*, \"3\""], None),
            (&["*, *"], None),
            (&[""], None),
            (&[","], None),
        ];
        for (lists, want) in table {
            assert_eq!(read(lists), want, "{lists:?}");
        }
    }

    #[test]
    fn of_several_revisions_the_present_one_is_wanted() {
        let list = Revisions::OneOf(vec![2, 3]);
        assert_eq!(list.wanted(|| Some(3)), Some(3));
        assert_eq!(list.wanted(|| Some(4)), Some(2));
        assert_eq!(list.wanted(|| None), Some(2));
        assert_eq!(Revisions::OneOf(vec![2]).wanted(|| unreachable!()), Some(2));
        assert_eq!(Revisions::OneOf(Vec::new()).wanted(|| unreachable!()), Some(0));
        assert_eq!(Revisions::Any.wanted(|| unreachable!()), None);
    }

    proptest! {
        #[test]
        fn any_list_is_read_or_refused(list in "[W/\"0-9a-z,* ]{0,30}") {
            let _ = read(&[&list]);
        }
    }
}
