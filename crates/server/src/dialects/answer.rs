//! What several dialects have in their answers.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use keys::{Status, Timestamp};
use ledger::KeyView;
use serde::Serialize;

use crate::wire;

/// An error's body.
pub(super) fn error_body(value: &impl Serialize) -> Vec<u8> {
    wire::to_json(value).into_bytes()
}

/// The name of a status: `Not Found`.
pub(super) fn phrase(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or_else(|| unreachable!("every status of `Code` has a name"))
}

/// An answer with a key's text in it, which no cache on the way may store.
pub(super) fn with_secret(status: StatusCode, value: &impl Serialize) -> Response {
    let mut response = wire::bare_json(status, value);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// When an expired key's time ended: at its due time, or earlier if somebody ended it.
pub(super) fn ended_at(view: &KeyView) -> Option<Timestamp> {
    let state = &view.state;
    match state.expires_at {
        _ if view.status != Status::Expired => None,
        Some(due) if state.status.is_alive() => Some(due),
        Some(due) => Some(due.min(state.updated_at)),
        None => Some(state.updated_at),
    }
}
