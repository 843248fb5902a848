//! `/v1/access` and `/log/access/…`: who read the trail, what became of tokens, and the proof of
//! that.
//!
//! Every route that shows events records here who asks, before it answers.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use ledger::{AUDIT, Seq};
use serde::Deserialize;
use tlog::TilePath;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::error::ApiError;
use crate::http::route::Routes;
use crate::request::authenticated::Reader;
use crate::request::cursor;
use crate::request::extract::Query;
use crate::request::page::{Both, PageParameters};
use crate::request::parameters::NoParameters;
use crate::routes::evidence::answers::{bundle_answer, fresh, no_tile, tile_answer, tile_of};
use crate::wire;
use crate::wire::access::AccessEntry;

/// The routes of the access journal.
pub(crate) fn router() -> Routes {
    Routes::default()
        .add("/v1/access", get(list))
        .add("/log/access/checkpoint", get(checkpoint))
        .add("/log/access/keys", get(keys))
        .add("/log/access/tile/entries/{*tile}", get(entries))
        .add("/log/access/tile/{level}/{*tile}", get(tile))
}

/// Where the tiles of the journal are.
const LOG: &str = "/log/access/";

/// Who read which part of the trail, and what became of tokens, a page at a time.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes an answer that is put together as it is written")]
pub(crate) struct AccessList<'a> {
    /// What is on this page.
    items: Vec<AccessEntry<'a>>,
    /// The `cursor` of the next page; null at the end.
    #[schema(value_type = Option<wire::words::Cursor>, required)]
    next_cursor: Option<String>,
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Journaled {
    /// Only what is behind this place of the journal.
    after: Option<u64>,
}

/// Lists who read which part of the trail and what became of tokens, in the order of being recorded
///
/// Of tokens, only the service's own are listed. A reading is recorded before it is answered. Equal readings of one caller within a minute are
/// counted, and recorded as one entry when the minute is over. Who reads more than 32 different
/// parts in a minute gets wider entries: what was read lies within.
///
/// Roles `auditor` and `admin`, of all accounts. Reading this list is not recorded.
#[utoipa::path(
    get,
    path = "/v1/access",
    operation_id = "listAccess",
    tag = "evidence",
    params(Journaled, PageParameters),
    responses((status = 200, body = AccessList)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    reader: Reader,
    Both(page, parameters): Both<PageParameters, Journaled>,
) -> Result<Response, ApiError> {
    reader.require_all(AUDIT)?;
    let most = page.limit()?;
    let after = parameters.after.map_or(Seq(0), |after| Seq(after).next());
    let from = cursor::accesses(page.cursor())?.max(after);
    let journal = app.journal().clone();
    let page = app.read(reader.caller, move |_, caller| journal.page(caller, from, most)).await?;
    let items = page.items.iter().map(AccessEntry::new).collect();
    let answer = wire::Page { items, next_cursor: page.next.map(cursor::of_accesses) };
    Ok(wire::json(StatusCode::OK, &answer))
}

/// Gives the last signed checkpoint of the access journal
#[utoipa::path(
    get,
    path = "/log/access/checkpoint",
    operation_id = "accessLogCheckpoint",
    tag = "evidence",
    security(()),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn checkpoint(
    State(app): State<App>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    Ok(fresh(app.journal().checkpoint()?.note.to_string()))
}

/// Gives the keys that sign the access journal, as `/log/keys` does
#[utoipa::path(
    get,
    path = "/log/access/keys",
    operation_id = "accessLogKeys",
    tag = "evidence",
    security(()),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn keys(
    State(app): State<App>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    Ok(fresh(app.journal().signing_keys()?.to_string()))
}

/// Gives a tile of hashes of the access journal
#[utoipa::path(
    get,
    path = "/log/access/tile/{level}/{tile}",
    operation_id = "accessLogTile",
    tag = "evidence",
    security(()),
    params(
        ("level" = u8, Path, description = "0 holds leaf hashes"),
        ("tile" = String, Path, description = "As for `/log/tile`"),
    ),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")),
)]
pub(crate) async fn tile(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let TilePath::Hashes(index) = tile_of(LOG, request.uri().path())? else {
        return Err(no_tile());
    };
    let journal = app.journal().clone();
    tile_answer(app.read_public(move |_| journal.tile(index)).await?, index)
}

/// Gives a bundle of entries of the access journal
///
/// Roles `auditor` and `admin`, of all accounts.
#[utoipa::path(
    get,
    path = "/log/access/tile/entries/{tile}",
    operation_id = "accessLogEntries",
    tag = "evidence",
    params(("tile" = String, Path, description = "As for tiles of hashes")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")),
)]
pub(crate) async fn entries(
    State(app): State<App>,
    reader: Reader,
    request: Request,
) -> Result<Response, ApiError> {
    reader.require_all(AUDIT)?;
    let TilePath::Entries(index) = tile_of(LOG, request.uri().path())? else {
        return Err(no_tile());
    };
    let journal = app.journal().clone();
    let bundle = app.read(reader.caller, move |_, caller| journal.entries(caller, index)).await?;
    bundle_answer(bundle, index)
}
