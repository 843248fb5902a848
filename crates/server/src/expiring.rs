//! `GET /v1/expiring`: keys whose time runs out soon.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::auth::Reader;
use crate::extract::{Query, limit};
use crate::wire::{self, Key};
use crate::{ApiError, App};

/// How soon.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Soon {
    /// Due within so many seconds; default 604800, a week.
    within_s: Option<u64>,
    /// At most so many: 1 to 500, default 50.
    limit: Option<u64>,
}

/// Lists keys whose time runs out soon, soonest first
#[utoipa::path(
    get,
    path = "/v1/expiring",
    tag = "events",
    params(Soon),
    responses((status = 200, body = wire::Page<Key>)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    who: Reader,
    Query(asked): Query<Soon>,
) -> Result<Response, ApiError> {
    let limit = limit(asked.limit)?;
    let within_s = asked.within_s.unwrap_or(7 * 86_400);
    let soon = app.ledger().expiring(&who.caller, within_s, limit)?;
    let items = soon.iter().map(Key::new).collect();
    Ok(wire::json(StatusCode::OK, &wire::Page { items, next_cursor: None }))
}
