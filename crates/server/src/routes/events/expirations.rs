//! `POST /v1/expirations`: records what is due, for a worker outside the process.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::error::ApiError;
use crate::request::change::ChangeRequest;
use crate::wire;
use crate::wire::{Expirations, Text, Time};

/// Records what is due
///
/// For a worker outside the process; roles `worker` and `admin`.
#[utoipa::path(
    post,
    path = "/v1/expirations",
    operation_id = "recordExpirations",
    tag = "events",
    request_body = Option<Expirations>,
    responses((status = 200, body = wire::Ended)),
)]
pub(crate) async fn expire_due(
    State(app): State<App>,
    request: ChangeRequest<Expirations>,
) -> Result<Response, ApiError> {
    let limit = request.body.limit()?;
    if request.options.dry_run {
        return Err(ApiError::field("dry_run", "what is due is seen in /v1/expiring?within_s=0"));
    }
    if request.receipt {
        return Err(ApiError::field("receipt", "each event has its own, /v1/events/{seq}/receipt"));
    }
    let done = app.ledger().expire_due(&request.caller, limit, request.options.idempotency).await?;
    let answer = wire::Ended {
        expired: done.expired.into_iter().map(Text).collect(),
        more: done.more,
        next_due_at: done.next_due.map(Time),
    };
    let mut response = wire::json(StatusCode::OK, &answer);
    wire::replayed(&mut response, done.replayed);
    Ok(response)
}
