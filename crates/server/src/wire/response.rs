//! Responses with a body in JSON, and the headers that several of them have.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use ledger::Receipt;
use serde::Serialize;

use super::json::put_json;
use super::receipt::put_with_receipt;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer in JSON, a line of its own: a terminal's prompt stands below it.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    let mut text = json_text(value);
    text.push(b'\n');
    typed(status, JSON, Body::from(text))
}

/// The same without a line break, as the APIs of the dialects answer.
pub(crate) fn bare_json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    typed(status, JSON, wiped(json_text(value)))
}

/// An answer in JSON, an object, with the receipt, if there is one, as its last member.
pub(crate) fn receipted<T: Serialize>(
    status: StatusCode,
    value: &T,
    receipt: Option<&Receipt>,
) -> Response {
    let mut text = match receipt {
        None => json_text(value),
        Some(receipt) => {
            let mut text = Vec::with_capacity(3072);
            put_with_receipt(&mut text, value, receipt);
            text
        }
    };
    text.push(b'\n');
    typed(status, JSON, wiped(text))
}

fn json_text<T: Serialize>(value: &T) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    put_json(&mut text, value);
    text
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
    let value = HeaderValue::from_str(&text);
    let value = value.unwrap_or_else(|_| unreachable!("digits in quotes are a header's value"));
    response.headers_mut().insert(header::ETAG, value);
}

/// `Idempotency-Replayed: true`, if it was.
pub(crate) fn replayed(response: &mut Response, replayed: bool) {
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
}
