//! `/openapi.json`
use axum::http::StatusCode;
use axum::response::Response;
/// The document.
#[must_use]
pub fn document() -> serde_json::Value {
    serde_json::json!({})
}
pub(crate) async fn json() -> Response {
    crate::wire::json(StatusCode::OK, &document())
}
