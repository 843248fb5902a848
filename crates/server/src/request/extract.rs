//! Parsing at the door: bodies, paths, queries and headers, every refusal a problem.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use keys::Invalid;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

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
        return Err(ApiError::field("body", "must be an object"));
    }
    serde_json::from_slice(bytes).map_err(|_| json_error::<T>(bytes))
}

/// Reads it again, to say where it is wrong: only those who send something wrong pay for that.
#[cold]
fn json_error<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> ApiError {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) => {
            let path = error.path().to_string();
            let syntax = !error.inner().is_data();
            invalid("body", &path, &error.into_inner().to_string(), syntax)
        }
        Ok(_) => ApiError::field("body", "must be JSON"),
    }
}

/// Names the field and what it must be. The value itself is not repeated: it may be a secret.
fn invalid(part: &str, path: &str, message: &str, syntax: bool) -> ApiError {
    if syntax {
        return ApiError::field(part, "must be JSON");
    }
    let quoted = message.split('`').nth(1);
    let (inner, why) = match message.split_once(", expected ") {
        _ if message.starts_with("missing field") => (quoted, "is missing".to_owned()),
        _ if message.starts_with("duplicate field") => (quoted, "must be sent once".to_owned()),
        _ if message.starts_with("unknown field") => (None, "unknown field".to_owned()),
        Some((wrong, expected)) if wrong.starts_with("invalid ") => (None, must_be(expected)),
        _ if message.starts_with("invalid digit") => (None, must_be("u64")),
        _ if message.starts_with("number too large") => (None, "is too large".to_owned()),
        _ if message.starts_with("provided string was not") => (None, must_be("a boolean")),
        Some(_) | None => (None, "is not as it must be".to_owned()),
    };
    // A field's name is the sender's own text: kept short, and never a key's.
    let name: String = match (path, inner) {
        ("" | "." | "?", inner) => inner.unwrap_or(part).to_owned(),
        (path, Some(inner)) => format!("{path}.{inner}"),
        (path, None) => path.to_owned(),
    };
    let hidden = name.split('.').any(keys::looks_like_key) || keys::contains_key(&name);
    let name: String = name.chars().take(64).collect();
    ApiError::field(if hidden { part } else { &name }, why)
}

/// What a value must be, in words that do not need to know Rust.
fn must_be(expected: &str) -> String {
    let expected = expected.split(" at line ").next().unwrap_or_default();
    match expected {
        "u64" => "must be a whole number".to_owned(),
        "a boolean" => "must be true or false".to_owned(),
        "a sequence" => "must be a list".to_owned(),
        _ if expected.starts_with("struct ") => "must be an object".to_owned(),
        other => format!("must be {other}"),
    }
}

/// Reads a query. Unknown and repeated parameters are refused by `T`.
pub(crate) fn query<T: DeserializeOwned>(text: Option<&str>) -> Result<T, ApiError> {
    let parameters = form_urlencoded::parse(text.unwrap_or_default().as_bytes());
    let reader = || serde_urlencoded::Deserializer::new(parameters);
    T::deserialize(reader()).or_else(|_| {
        // Again, to say where it is wrong.
        serde_path_to_error::deserialize(reader()).map_err(|error| {
            let path = error.path().to_string();
            invalid("query", &path, &error.into_inner().to_string(), false)
        })
    })
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
        return Err(ApiError::field(name.as_str(), "must be sent once"));
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
    match text {
        Some(text)
            if !(1..=255).contains(&text.len())
                || !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') =>
        {
            Err(ApiError::field("idempotency-key", "must be 1 to 255 printable characters"))
        }
        text => Ok(text),
    }
}

/// How long a page may be: `?limit=`.
pub(crate) fn limit(asked: Option<u64>) -> Result<usize, ApiError> {
    match asked {
        None => Ok(50),
        Some(limit @ 1..=500) => Ok(usize::try_from(limit).unwrap_or(500)),
        Some(_) => Err(ApiError::field("limit", "must be between 1 and 500")),
    }
}

#[cfg(test)]
#[path = "extract_tests.rs"]
mod tests;
