//! What dialects read from a request.

use axum::extract::{FromRequestParts as _, RawPathParams};
use axum::http::request::Parts;

use crate::app::App;

/// The one parameter of the path. What is no text names nothing, as the empty text does.
pub(super) async fn path_text(parts: &mut Parts, app: &App) -> String {
    let path = RawPathParams::from_request_parts(parts, app).await;
    let text = path.ok().and_then(|path| path.iter().next().map(|(_, value)| value.to_owned()));
    text.unwrap_or_default()
}
