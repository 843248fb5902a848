//! Parsing of bodies, paths, queries and headers. Every refusal names its field.

mod diagnosis;

use std::borrow::Cow;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use keys::Invalid;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::diagnosis::Finding;
use crate::error::{ApiError, InvalidKind, Type};

/// Checks a value that came in `field`.
pub(crate) fn field<T>(field: &str, parsed: Result<T, Invalid>) -> Result<T, ApiError> {
    parsed.map_err(|why| ApiError::field(field, why))
}

/// Parses the text that came in `name`, if it came.
pub(crate) fn parse<T>(name: &str, text: Option<&str>) -> Result<Option<T>, ApiError>
where
    T: FromStr<Err = Invalid>,
{
    text.map(|text| field(name, text.parse())).transpose()
}

/// Reads JSON. Unknown and repeated fields are refused by `T`.
pub(crate) fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    // A list of values in the order of the fields would pass for an object.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(ApiError::field("body", InvalidKind::Type(Type::Object)));
    }
    serde_json::from_slice(bytes).map_err(|_| refused("body", diagnosis::of_json::<T>(bytes)))
}

/// The refusal of what serde refused: by its field, or by the part of the request as a whole.
#[cold]
fn refused(part: &str, finding: Finding) -> ApiError {
    let Finding { path, kind } = finding;
    // A field's name is the sender's own text: kept short, and never a key's.
    let hidden = path.split('.').any(keys::looks_like_key) || keys::contains_key(&path);
    let name: String = path.chars().take(64).collect();
    ApiError::field(if hidden || name.is_empty() { part } else { &name }, kind)
}

/// Reads a query. Unknown and repeated parameters are refused by `T`.
pub(crate) fn query<T: DeserializeOwned>(text: Option<&str>) -> Result<T, ApiError> {
    let parameters = form_urlencoded::parse(text.unwrap_or_default().as_bytes());
    T::deserialize(serde_urlencoded::Deserializer::new(parameters))
        .map_err(|_| refused("query", diagnosis::of_query::<T>(parameters)))
}

/// Reads parameters of a query. Unknown and repeated ones are refused by `T`.
pub(crate) fn parameters<'q, T: Deserialize<'q>>(
    parameters: impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)>,
) -> Result<T, ApiError> {
    diagnosis::read(parameters).map_err(|finding| refused("query", finding))
}

/// The same. Those whose name has a
/// dot (`metadata.team=a`) are pairs of the field that is named before it; those that `lists` names
/// may be there several times.
pub(crate) fn nested<'q, T: Deserialize<'q>>(
    parameters: impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)>,
    lists: &[&str],
) -> Result<T, ApiError> {
    diagnosis::read_nested(parameters, lists).map_err(|finding| refused("query", finding))
}

/// The query, as a `T`.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        query(parts.uri.query()).map(Query)
    }
}

/// The one parameter of the path, as a `T`.
pub(crate) struct Path<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: FromStr<Err = Invalid>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::RawPathParams::from_request_parts(parts, state).await;
        let bad = || ApiError::field("path", "must be UTF-8");
        let path = path.map_err(|_| bad())?;
        let (name, value) = path.iter().next().ok_or_else(bad)?;
        field(name, value.parse()).map(Path)
    }
}

/// A place in the log, in a path.
pub(crate) struct Place(pub(crate) ledger::Seq);

impl FromStr for Place {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Place, Invalid> {
        number(text)
            .map(|seq| Place(ledger::Seq(seq)))
            .ok_or(Invalid::Malformed { expected: "a number" })
    }
}

/// A number of digits alone: no sign, no space.
pub(crate) fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A header's text, refused if it comes twice or is no text.
pub(crate) fn header_text<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::field(name.as_str(), InvalidKind::Repeated));
    }
    value
        .to_str()
        .map(Some)
        .map_err(|_| ApiError::field(name.as_str(), "must be printable characters"))
}

/// The caller's idempotency key: 1 to 255 printable characters.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let name = HeaderName::from_static("idempotency-key");
    let text = header_text(headers, &name)?;
    text.map(|text| idempotency_text("idempotency-key", text)).transpose()
}

/// An idempotency key that came in `name`.
pub(crate) fn idempotency_text<'a>(name: &str, text: &'a str) -> Result<&'a str, ApiError> {
    let lawful =
        (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    let wrong = || ApiError::field(name, "must be 1 to 255 printable characters");
    lawful.then_some(text).ok_or_else(wrong)
}

/// How long a page may be: `?limit=`.
pub(crate) fn limit(requested: Option<u64>) -> Result<usize, ApiError> {
    limit_to(requested, 50, 500)
}

/// A limit from 1 to `most`; `default` if it is missing.
pub(crate) fn limit_to(
    requested: Option<u64>,
    default: usize,
    most: u16,
) -> Result<usize, ApiError> {
    let Some(requested) = requested else { return Ok(default) };
    let limit = u16::try_from(requested).ok().filter(|limit| (1..=most).contains(limit));
    let out_of_range = Invalid::OutOfRange { least: 1, most: most.into(), unit: "" };
    limit.map(usize::from).ok_or_else(|| ApiError::field("limit", out_of_range))
}

#[cfg(test)]
#[path = "extract_tests.rs"]
mod tests;
