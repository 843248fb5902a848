//! `GET /v1/expiring`: keys whose time runs out soon.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use ledger::{Caller, Ledger};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::request::authenticated::Reader;
use crate::request::cursor;
use crate::request::page::{Both, PageParameters};
use crate::wire;
use crate::wire::Key;

/// How soon.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Soon {
    /// Due within so many seconds; default 604800, a week.
    within_s: Option<u64>,
}

/// Lists keys whose time runs out soon, soonest first
#[utoipa::path(
    get,
    path = "/v1/expiring",
    operation_id = "listExpiring",
    tag = "events",
    params(Soon, PageParameters),
    responses((status = 200, body = wire::described::KeyList)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    reader: Reader,
    Both(page, parameters): Both<PageParameters, Soon>,
) -> Result<Response, ApiError> {
    let limit = page.limit()?;
    let within_s = parameters.within_s.unwrap_or(7 * 86_400);
    let after = page.cursor().map(cursor::due).transpose()?;
    let step = |ledger: &Ledger, caller: &Caller| ledger.prepare_expiring(caller);
    while !app.read(reader.caller.clone(), step).await? {}
    let read =
        move |ledger: &Ledger, caller: &Caller| ledger.expiring(caller, within_s, after, limit);
    let page = app.read(reader.caller, read).await?;
    let items = page.items.iter().map(Key::new).collect();
    let next_cursor = page.next.map(cursor::of_due);
    Ok(wire::json(StatusCode::OK, &wire::Page { items, next_cursor }))
}
