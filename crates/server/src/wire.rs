//! What goes over the wire: types of their own, so that no change of a stored type reaches a client.

pub(crate) mod described;
mod event;
mod json;
mod key;
mod ocsf;
pub(crate) mod plain;
mod request;
mod whole;
pub(crate) mod words;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use keys::{Timestamp, Verdict};
use ledger::Receipt;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

pub(crate) use self::event::{Actor, CreatedData, Event, ExpiredData, NoData, RevokedData};
pub(crate) use self::json::{put_json, to_json};
pub(crate) use self::key::{Key, KeyRef, Made};
pub(crate) use self::ocsf::ocsf;
pub(crate) use self::request::{Create, Expirations, Reasoned, Rotate, Verify, permission};

/// A moment: RFC 3339 in UTC with microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.0.text()).unwrap_or_default())
    }
}

/// Anything that is written as its text.
#[derive(Clone, Copy)]
pub(crate) struct Text<T>(pub(crate) T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// One page of a list.
#[derive(Serialize)]
pub(crate) struct Page<T> {
    /// What is on it.
    pub(crate) items: Vec<T>,
    /// The `cursor` of the next page; null at the end.
    pub(crate) next_cursor: Option<String>,
}

/// A member that is listed with the others, but is written by [`receipted`]: never there.
#[derive(Serialize)]
pub(crate) enum Apart {}

/// A new key: what `create` and `rotate` answer.
#[derive(Serialize, ToSchema)]
#[schema(as = NewKey)]
pub(crate) struct Created<'a> {
    /// The key.
    pub(crate) key: Key<'a>,
    /// Its text, given once: null for a dry run and for a replay that came too late.
    #[schema(required)]
    pub(crate) secret: Option<&'a str>,
    /// Its proof (c2sp.org/tlog-proof), with `?receipt=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) receipt: Option<Apart>,
}

/// What a change answers.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyChange)]
pub(crate) struct Changed<'a> {
    /// The key, as it was right after.
    pub(crate) key: Key<'a>,
    /// The event. Of a dry run, the one that would be recorded.
    pub(crate) event: Event<'a>,
    /// Its proof (c2sp.org/tlog-proof), with `?receipt=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) receipt: Option<Apart>,
}

/// What verify answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Verified<'a> {
    /// Whether the key may be used: `code` is VALID.
    pub(crate) valid: bool,
    /// `VALID`, or the first reason that holds.
    #[schema(value_type = words::VerifyCode)]
    pub(crate) code: &'static str,
    /// The key; null for `MALFORMED` and `NOT_FOUND`.
    #[schema(required)]
    pub(crate) key: Option<KeyRef<'a>>,
    /// How often it may still be used today; null without a limit.
    #[schema(required)]
    pub(crate) remaining_today: Option<u32>,
    /// The length of the log that this answer has seen.
    pub(crate) log_size: u64,
}

impl<'a> Verified<'a> {
    pub(crate) fn new(verified: &'a ledger::Verified) -> Verified<'a> {
        Verified {
            valid: verified.verdict == Verdict::Valid,
            code: verified.verdict.as_str(),
            key: verified.key.as_deref().map(|key| KeyRef::new(key, verified.expires_at)),
            remaining_today: verified.remaining_today,
            log_size: verified.log_size.0,
        }
    }
}

/// What recording due keys answers.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordedExpirations)]
pub(crate) struct Ended {
    /// The ids of the keys whose end was recorded, soonest due first.
    #[schema(value_type = Vec<String>)]
    pub(crate) expired: Vec<Text<keys::KeyId>>,
    /// Whether more is due.
    pub(crate) more: bool,
    /// When the next key is due; null if none has a due time.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(crate) next_due_at: Option<Time>,
}

/// An answer in JSON, a line of its own: a terminal's prompt stands below it.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    let mut text = json_text(value);
    text.push(b'\n');
    typed(status, HeaderValue::from_static("application/json"), Body::from(text))
}

/// The same without a line break: how the APIs answer that dialects speak.
pub(crate) fn bare_json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    typed(status, HeaderValue::from_static("application/json"), wiped(json_text(value)))
}

/// A body that is erased from memory when it is sent: it may hold a key's secret.
fn wiped(text: Vec<u8>) -> Body {
    Body::from(Bytes::from_owner(Wiped(text)))
}

/// Erased when it is dropped. Not by `zeroize`, which writes a byte at a time: that took a
/// hundredth of a create.
struct Wiped(Vec<u8>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.fill(0);
        // Somebody might look: so the compiler cannot leave it out.
        std::hint::black_box(&self.0);
    }
}

fn json_text<T: Serialize>(value: &T) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    put_json(&mut text, value);
    text
}

/// An answer in JSON, an object, with the receipt as its last member.
///
/// All answers of one commit have the same 1 KiB in it, which is quoted once for all of them.
pub(crate) fn receipted<T: Serialize>(
    status: StatusCode,
    value: &T,
    receipt: Option<&Receipt>,
) -> Response {
    let Some(receipt) = receipt else {
        let mut text = json_text(value);
        text.push(b'\n');
        return typed(status, HeaderValue::from_static("application/json"), wiped(text));
    };
    let mut text = Vec::with_capacity(3072);
    put_json(&mut text, value);
    // The brace that ends the object.
    text.pop();
    text.extend_from_slice(br#","receipt":""#);
    receipt.push_beginning(&mut text, r"\n");
    text.extend_from_slice(receipt.tail().quoted(quoted).as_bytes());
    text.extend_from_slice(b"\"}\n");
    typed(status, HeaderValue::from_static("application/json"), wiped(text))
}

/// What a JSON string of `text` has between its quotes.
fn quoted(text: &str) -> String {
    let quoted = to_json(text);
    let within = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    within.unwrap_or_default().to_owned()
}

/// An answer of any type.
pub(crate) fn typed(status: StatusCode, content_type: HeaderValue, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// `ETag: "<revision>"`
pub(crate) fn tag(response: &mut Response, revision: u32) {
    let text = format!("\"{revision}\"");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::ETAG, value);
    }
}

/// `Idempotency-Replayed: true`, if it was.
pub(crate) fn replayed(response: &mut Response, replayed: bool) {
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
}
