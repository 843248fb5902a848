//! `/v1/access` and `/log/access/…`: who read the trail, and the proof of that.
//!
//! Every route that shows events records here who asks, before it answers.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use ledger::{AUDIT, Access, Seq};
use serde::{Deserialize, Serialize};
use tlog::TilePath;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::error::ApiError;
use crate::http::route::Routes;
use crate::request::authenticated::Reader;
use crate::request::cursor;
use crate::request::extract::{Query, limit};
use crate::request::parameters::NoParameters;
use crate::routes::evidence::answers::{bundle_answer, fresh, no_tile, tile_answer, tile_of};
use crate::wire;
use crate::wire::{Actor, Text, Time};

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

/// Somebody read a part of the trail.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessEntry<'a> {
    /// Its place in the journal.
    seq: u64,
    /// What happened.
    #[schema(value_type = wire::words::AccessType)]
    r#type: &'static str,
    /// When it was asked for, the first time.
    #[schema(value_type = String, format = DateTime)]
    first_at: Time,
    /// When it was asked for the last time.
    #[schema(value_type = String, format = DateTime)]
    last_at: Time,
    /// How often: equal readings within a minute are one entry.
    count: u64,
    /// Who read it.
    actor: Actor<'a>,
    /// From where.
    origin: AccessOrigin<'a>,
    /// What was read.
    #[schema(value_type = wire::words::Reading)]
    reading: &'static str,
    /// Nothing before this place of the log was read.
    from: u64,
    /// Nothing from this place on; null where what came was read too.
    #[schema(required)]
    until: Option<u64>,
    /// The account that was asked for; null also for several.
    #[schema(required)]
    of_account: Option<&'a str>,
    /// The key that was asked for; null also for several.
    #[schema(value_type = Option<String>, format = "uuid", required)]
    of_key: Option<Text<keys::KeyId>>,
}

/// From where a part of the trail was read.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessOrigin<'a> {
    /// The client's address.
    #[schema(value_type = Option<String>, required)]
    ip: Option<Text<std::net::IpAddr>>,
    /// The request's id; null where readings were counted.
    #[schema(required)]
    request_id: Option<&'a str>,
}

impl<'a> AccessEntry<'a> {
    fn new((seq, access): &'a (Seq, Access)) -> AccessEntry<'a> {
        AccessEntry {
            seq: seq.0,
            r#type: "read",
            first_at: Time(access.at),
            last_at: Time(access.last_at),
            count: access.count,
            actor: Actor::new(&access.actor),
            origin: AccessOrigin {
                ip: access.origin.ip.map(Text),
                request_id: access.origin.request_id.as_deref(),
            },
            reading: access.reading.as_str(),
            from: access.from.0,
            until: access.until.map(|until| until.0),
            of_account: access.account.as_ref().map(keys::Account::as_str),
            of_key: access.key.map(Text),
        }
    }
}

/// Who read which part of the trail, a page at a time.
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
    /// Only what was read after this place of the journal.
    after: Option<u64>,
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u64>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<wire::words::Cursor>)]
    cursor: Option<String>,
}

/// Lists who read which part of the trail, in the order of being recorded
///
/// A reading is recorded before it is answered. Equal readings of one caller within a minute are
/// counted, and recorded as one entry when the minute is over. Who reads more than 32 different
/// parts in a minute gets wider entries: what was read lies within.
///
/// Roles `auditor` and `admin`, of all accounts. Reading this list is not recorded.
#[utoipa::path(
    get,
    path = "/v1/access",
    operation_id = "listAccess",
    tag = "evidence",
    params(Journaled),
    responses((status = 200, body = AccessList)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    reader: Reader,
    Query(parameters): Query<Journaled>,
) -> Result<Response, ApiError> {
    reader.require_all(AUDIT)?;
    let most = limit(parameters.limit)?;
    let after = parameters.after.map_or(Seq(0), |after| Seq(after).next());
    let from = cursor::accesses(parameters.cursor.as_deref())?.max(after);
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
