//! `POST /v1/keys/import`: keys that were made elsewhere, as many as there are.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use ledger::MANAGE;
use serde::Deserialize;

use crate::app::App;
use crate::auth::bearer::Bearer;
use crate::error::ApiError;
use crate::import::source::Source;
use crate::import::stream::ImportStream;
use crate::request::authenticated::{Authenticated, caller};
use crate::request::context::HttpContext;
use crate::request::extract::query;
use crate::wire::{ImportAnswer, ImportLine};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default)]
    dry_run: bool,
}

/// Imports keys that were made elsewhere
///
/// NDJSON, one key a line, of any length; a line may have 65536 bytes. Each is decided and answered by
/// itself while the next ones come, and a summary is the last line: **an answer without it was cut
/// off**. A client reads the answer while it sends. A line with an `idempotency_key` may be sent again
/// whenever that is: it is answered with the key that it made, so that a broken import is simply sent
/// again. With `dry_run` each line is held against what is recorded, and not against other lines.
#[utoipa::path(
    post,
    path = "/v1/keys/import",
    operation_id = "importKeys",
    tag = "keys",
    request_body(content = ImportLine, content_type = "application/x-ndjson"),
    responses((status = 200, body = ImportAnswer, content_type = "application/x-ndjson")),
)]
pub(crate) async fn import(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let who = Authenticated::of(&parts, &app)?;
    who.require(MANAGE)?;
    let Parameters { dry_run } = query(parts.uri.query())?;
    check(&parts.headers)?;
    let source = Source::new(&parts.headers, body)?;
    let caller = caller(&parts, &app, &who.token.identity);
    let context = HttpContext::of(&parts.extensions).clone();
    let import = ImportStream::begin(&app, caller, Bearer::new(who.token), context, dry_run)?;
    import.answer(source).await
}

/// Refuses headers that mean one change, and another content.
fn check(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.contains_key("idempotency-key") {
        return Err(ApiError::field("idempotency-key", "is of a line: send `idempotency_key`"));
    }
    if headers.contains_key(header::IF_MATCH) {
        return Err(ApiError::field("if-match", "is of one key"));
    }
    match headers.get(header::CONTENT_TYPE) {
        Some(declared) if !is_ndjson(declared.as_bytes()) => {
            Err(ApiError::field("content-type", "must be application/x-ndjson"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether a media type is lines of JSON: one of the names that they go by, that of a single line, or
/// what `curl -d` sends when it is not told, which says nothing of what the sender meant.
fn is_ndjson(declared: &[u8]) -> bool {
    let essence = declared.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let names = [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/json",
        "application/x-www-form-urlencoded",
    ];
    names.iter().any(|name| essence.eq_ignore_ascii_case(name.as_bytes()))
}
