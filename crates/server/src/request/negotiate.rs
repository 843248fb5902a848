//! `Accept`: which form of an answer a client wants (RFC 9110 §12.5.1).
//!
//! Written here because the small crates for it are one person's each, and it is the length of a
//! page.

use axum::http::{HeaderMap, header};

use crate::error::{ApiError, Code};

/// How well a range names a type, from `*/*` to the type itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Anything,
    Kind,
    Exactly,
}

/// One member of the list.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    weight: u32,
}

impl<'a> Range<'a> {
    /// `None` for what is no range: it is as if it were not there.
    fn parse(text: &'a str) -> Option<Range<'a>> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let (kind, subtype) = (kind.trim(), subtype.trim());
        if kind.is_empty() || subtype.is_empty() || (kind == "*" && subtype != "*") {
            return None;
        }
        let weight = parts.filter_map(|part| part.split_once('=')).find_map(|(name, value)| {
            name.trim().eq_ignore_ascii_case("q").then(|| weight(value.trim()))
        });
        Some(Range { kind, subtype, weight: weight.unwrap_or(Some(1000))? })
    }

    /// How well it names `media_type`, if it does. Parameters other than the weight do not matter:
    /// no two forms of an answer differ by them.
    fn names(&self, media_type: &str) -> Option<Named> {
        let (kind, subtype) = media_type.split_once('/')?;
        match (self.kind, self.subtype) {
            ("*", _) => Some(Named::Anything),
            (of, "*") if of.eq_ignore_ascii_case(kind) => Some(Named::Kind),
            (of, is) if of.eq_ignore_ascii_case(kind) && is.eq_ignore_ascii_case(subtype) => {
                Some(Named::Exactly)
            }
            _ => None,
        }
    }
}

/// A weight of at most three decimals, in thousandths (RFC 9110 §12.4.2).
fn weight(text: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let decimals = format!("{decimals:0<3}").parse::<u32>().ok()?;
    match (whole, decimals) {
        ("0", decimals) => Some(decimals),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// The place in `offered` of the form that the client wants most; of two that it wants alike the
/// one that it names more exactly, then the one that it names first, then the one that is offered
/// first. Without `Accept` that is the first.
///
/// # Errors
///
/// It takes none of them: that is told rather than to send what it would not understand.
pub(crate) fn choose(headers: &HeaderMap, offered: &[&str]) -> Result<usize, ApiError> {
    let lists = headers.get_all(header::ACCEPT).iter();
    let texts: Vec<&str> = lists.filter_map(|value| value.to_str().ok()).collect();
    let ranges: Vec<Range<'_>> =
        texts.iter().flat_map(|text| text.split(',')).filter_map(Range::parse).collect();
    if ranges.is_empty() {
        return Ok(0);
    }
    let wants = |media_type: &str| {
        let named = ranges.iter().zip(0_u32..).filter_map(|(range, place)| {
            range.names(media_type).map(|named| (named, std::cmp::Reverse(place), range.weight))
        });
        // What names it best decides, and may exclude it.
        let (named, place, weight) = named.max_by_key(|(named, place, _)| (*named, *place))?;
        (weight > 0).then_some((weight, named, place))
    };
    let wanted = offered
        .iter()
        .enumerate()
        .filter_map(|(at, media_type)| wants(media_type).map(|wish| (wish, std::cmp::Reverse(at))));
    let best = wanted.max().map(|(_, std::cmp::Reverse(at))| at);
    best.ok_or_else(|| {
        let detail = format!("accept: the answer can be {}", offered.join(", "));
        ApiError::new(Code::NotAcceptable, detail)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const OFFERED: [&str; 3] = ["application/json", "application/x-ndjson", "text/csv"];

    fn chosen(accept: &[&str]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for list in accept {
            headers.append(header::ACCEPT, HeaderValue::from_str(list).unwrap());
        }
        choose(&headers, &OFFERED).ok().map(|at| OFFERED[at])
    }

    #[test]
    fn the_weight_decides_and_the_best_name_says_which() {
        let (json, ndjson, csv) = (OFFERED[0], OFFERED[1], OFFERED[2]);
        let table = [
            (&[][..], Some(json)),
            (&[""], Some(json)),
            (&["*/*"], Some(json)),
            (&["text/csv"], Some(csv)),
            (&["TEXT/CSV; charset=utf-8; header=present"], Some(csv)),
            (&["text/*"], Some(csv)),
            (&["application/*"], Some(json)),
            // A weight goes before the order, and a name before a star.
            (&["application/json;q=0.5, text/csv"], Some(csv)),
            (
                &["application/json;q=0.5", "application/x-ndjson;q=0.7,text/csv;q=0.6"],
                Some(ndjson),
            ),
            (&["*/*, text/csv"], Some(csv)),
            (&["*/*;q=0.9, text/csv;q=0.8"], Some(json)),
            (&["text/csv, application/json"], Some(csv)),
            (&["application/json, text/csv"], Some(json)),
            // What browsers and clients of the field send.
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], Some(json)),
            (&["application/json, text/plain, */*"], Some(json)),
            // Nothing is said by q=0 but that it is not wanted.
            (&["text/csv;q=0, */*"], Some(json)),
            (&["application/json;q=0, */*;q=0.1"], Some(ndjson)),
            (&["application/*;q=0, */*"], Some(csv)),
            (&["application/x-ndjson;q=0.0, text/csv;Q=0.001"], Some(csv)),
            (&["text/csv;q=0"], None),
            (&["*/*;q=0"], None),
            (&["application/xml"], None),
            (&["text/event-stream"], None),
            // What is no range is not there.
            (&["text/csv;q=2"], Some(json)),
            (&["csv, text/csv"], Some(csv)),
            (&["text/csv;q=0.1234, application/x-ndjson"], Some(ndjson)),
        ];
        for (accept, want) in table {
            assert_eq!(chosen(accept), want, "{accept:?}");
        }
    }

    proptest! {
        #[test]
        fn any_list_is_read(list in "[a-z*/;=,.q0-9 ]{0,60}") {
            let _ = chosen(&[&list]);
        }
    }
}
