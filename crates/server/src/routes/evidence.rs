//! `/log/…` and `/v1/proofs/…`: what the log proves, in the field's own formats (C2SP
//! tlog-checkpoint, tlog-tiles, tlog-proof), so that other people's verifiers work on it.
//!
//! Checkpoint, tiles of hashes and keys are public: they tell sizes and hashes, and records are
//! salted. Entries are read by auditors of all accounts.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod answers;
pub(crate) mod bundle;
pub(crate) mod stamps;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use ledger::{AUDIT, Caller, Consistency, Ledger, Range, Reading, Seq};
use serde::{Deserialize, Serialize};
use tlog::{Hash, TileIndex, TilePath};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::error::{ApiError, Code};
use crate::http::route::Routes;
use crate::request::authenticated::Reader;
use crate::request::extract::Query;
use crate::request::parameters::NoParameters;
use crate::routes::evidence::answers::{bundle_answer, fresh, no_tile, tile_answer, tile_of};
use crate::wire;
use crate::wire::Text;

/// The routes of what the log and the access journal prove of themselves.
pub(crate) fn router() -> Routes {
    Routes::default()
        .add("/log/checkpoint", get(checkpoint))
        .add("/log/checkpoint/cosigned", get(cosigned))
        .add("/log/heartbeat", get(heartbeat))
        .add("/log/keys", get(keys))
        .add("/log/tile/entries/{*tile}", get(entries))
        .add("/log/tile/{level}/{*tile}", get(tile))
        .add("/log/persons/entries/{*tile}", get(persons))
        .add("/log/table", get(table))
        .add("/v1/proofs/inclusion", get(inclusion))
        .add("/v1/proofs/consistency", get(consistency))
        .add("/v1/audit/bundle", get(bundle::bundle))
        .merge(stamps::router())
        .merge(access::router())
        .merge(account::router())
}

/// Where a tile's path begins in a URL's path.
const LOG: &str = "/log/";

/// Gives the last signed checkpoint
///
/// Origin, size and root of the log as a signed note (c2sp.org/tlog-checkpoint).
#[utoipa::path(
    get,
    path = "/log/checkpoint",
    operation_id = "logCheckpoint",
    tag = "evidence",
    security(()),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn checkpoint(
    State(app): State<App>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    Ok(fresh(app.ledger().checkpoint()?.note.to_string()))
}

/// Gives the newest checkpoint that a quorum of witnesses cosigned
///
/// The note of the log with the cosignatures (c2sp.org/tlog-cosignature) of the witnesses that the operator
/// named; it is a second or more behind `/log/checkpoint`. 404 until there is one.
#[utoipa::path(
    get,
    path = "/log/checkpoint/cosigned",
    operation_id = "logCheckpointCosigned",
    tag = "evidence",
    security(()),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn cosigned(
    State(app): State<App>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    let missing =
        || ApiError::new(Code::NotFound, "no quorum of witnesses has cosigned a checkpoint");
    Ok(fresh(app.config().witnesses.cosigned().ok_or_else(missing)?.to_string()))
}

/// Says what the log has, also when nothing happens
///
/// A signed note (c2sp.org/signed-note) with the size and root of the log and the time, at most a minute
/// old: the log had no more than that then. `<origin>/heartbeat`, the size, the root and `time <seconds
/// since 1970>`, a line each.
#[utoipa::path(
    get,
    path = "/log/heartbeat",
    operation_id = "logHeartbeat",
    tag = "evidence",
    security(()),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn heartbeat(
    State(app): State<App>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    Ok(fresh(app.ledger().heartbeat()?.note.to_string()))
}

/// Gives the keys that sign the log
///
/// Verifier keys (c2sp.org/signed-note), one a line, the newest last; then, each after an empty
/// line, the notes in which a key and the one before it say that the one follows the other.
#[utoipa::path(
    get,
    path = "/log/keys",
    operation_id = "logKeys",
    tag = "evidence",
    security(()),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn keys(
    State(app): State<App>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    Ok(fresh(app.ledger().signing_keys()?.to_string()))
}

/// Gives the signed note of the key table
///
/// Made at most once a minute. Roles `auditor` and `admin`, of all accounts.
#[utoipa::path(
    get,
    path = "/log/table",
    operation_id = "logTable",
    tag = "evidence",
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn table(
    State(app): State<App>,
    reader: Reader,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    reader.require_all(AUDIT)?;
    let signed = app.read(reader.caller, Ledger::table_note).await?;
    Ok(fresh(signed.note.to_string()))
}

/// Gives a tile of hashes (c2sp.org/tlog-tiles)
#[utoipa::path(
    get,
    path = "/log/tile/{level}/{tile}",
    operation_id = "logTile",
    tag = "evidence",
    security(()),
    params(
        ("level" = u8, Path, description = "0 holds leaf hashes"),
        ("tile" = String, Path, description = "`x001/x234/067`, or `x001/x234/067.p/8` for the first 8 hashes"),
    ),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")),
)]
pub(crate) async fn tile(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let TilePath::Hashes(index) = tile_of(LOG, request.uri().path())? else {
        return Err(no_tile());
    };
    tile_answer(app.read_public(move |ledger| ledger.tile(index)).await?, index)
}

/// Gives a bundle of entries (c2sp.org/tlog-tiles)
///
/// Roles `auditor` and `admin`, of all accounts.
#[utoipa::path(
    get,
    path = "/log/tile/entries/{tile}",
    operation_id = "logEntries",
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
    let read = app.read(reader.caller.clone(), move |ledger, caller| ledger.entries(caller, index));
    let bundle = read.await?;
    if bundle.is_some() {
        record_entries(&app, &reader, index).await?;
    }
    bundle_answer(bundle, index)
}

/// Records that the entries of a bundle were read.
async fn record_entries(app: &App, reader: &Reader, index: TileIndex) -> Result<(), ApiError> {
    let from = Seq(index.number() << 8);
    let until = Some(Seq(from.0 + u64::from(index.width())));
    reader.record(app, Reading::Entries, Range { from, until, ..Range::default() }).await
}

/// Gives the keys of the persons that a bundle of entries speaks of
///
/// What says who somebody is is sealed in entries; `schemas/record.md` says how, `schemas/bundle.md`
/// what a line is. Roles `auditor` and `admin`, of all accounts.
#[utoipa::path(
    get,
    path = "/log/persons/entries/{tile}",
    operation_id = "logPersons",
    tag = "evidence",
    params(("tile" = String, Path, description = "As for tiles of hashes")),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn persons(
    State(app): State<App>,
    reader: Reader,
    request: Request,
) -> Result<Response, ApiError> {
    reader.require_all(AUDIT)?;
    let path = request.uri().path().replacen("/persons/", "/tile/", 1);
    let TilePath::Entries(index) = tile_of(LOG, &path)? else {
        return Err(no_tile());
    };
    let read = app.read(reader.caller.clone(), move |ledger, caller| ledger.persons(caller, index));
    let persons = read.await?.ok_or_else(no_tile)?;
    record_entries(&app, &reader, index).await?;
    Ok(fresh(::bundle::persons_text(persons.iter().map(|(name, key)| (name, Some(key))))))
}

/// Which record, in which tree.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InclusionQuery {
    /// The record.
    seq: u64,
    /// The size of the tree; by default that of the last checkpoint.
    size: Option<u64>,
}

/// A proof that a record is in a tree.
#[derive(Serialize, ToSchema)]
pub(crate) struct InclusionProof {
    /// The record.
    seq: u64,
    /// The size of the tree.
    size: u64,
    /// The record's leaf hash, in base64.
    #[schema(value_type = String)]
    leaf: Text<Hash>,
    /// The audit path from the leaf's sibling up (RFC 6962 §2.1.1), in base64.
    #[schema(value_type = Vec<String>)]
    hashes: Vec<Text<Hash>>,
}

/// Proves that a record is in the log
#[utoipa::path(
    get,
    path = "/v1/proofs/inclusion",
    operation_id = "proveInclusion",
    tag = "evidence",
    params(InclusionQuery),
    responses((status = 200, body = InclusionProof)),
)]
pub(crate) async fn inclusion(
    State(app): State<App>,
    reader: Reader,
    Query(parameters): Query<InclusionQuery>,
) -> Result<Response, ApiError> {
    let (seq, size) = (Seq(parameters.seq), parameters.size);
    let read = move |ledger: &Ledger, caller: &Caller| ledger.inclusion(caller, seq, size);
    let proof = app.read(reader.caller, read).await?;
    let hashes = proof.path.into_iter().map(Text).collect();
    let answer =
        InclusionProof { seq: parameters.seq, size: proof.size, leaf: Text(proof.leaf), hashes };
    Ok(wire::json(StatusCode::OK, &answer))
}

/// Which trees.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConsistencyQuery {
    /// The size of the older tree.
    old: u64,
    /// The size of the newer one; by default that of the last checkpoint.
    new: Option<u64>,
}

/// A proof that one tree extends another.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsistencyProof {
    /// The size of the older tree.
    old: u64,
    /// The size of the newer one.
    size: u64,
    /// The proof (RFC 6962 §2.1.2), in base64; empty for `old` 0 and for equal sizes.
    #[schema(value_type = Vec<String>)]
    hashes: Vec<Text<Hash>>,
}

/// Proves that the log only grew
#[utoipa::path(
    get,
    path = "/v1/proofs/consistency",
    operation_id = "proveConsistency",
    tag = "evidence",
    params(ConsistencyQuery),
    responses((status = 200, body = ConsistencyProof)),
)]
pub(crate) async fn consistency(
    State(app): State<App>,
    reader: Reader,
    Query(parameters): Query<ConsistencyQuery>,
) -> Result<Response, ApiError> {
    let (old, new) = (parameters.old, parameters.new);
    let read = move |ledger: &Ledger, caller: &Caller| ledger.consistency(caller, old, new);
    let Consistency { path, size } = app.read(reader.caller, read).await?;
    let hashes = path.into_iter().map(Text).collect();
    Ok(wire::json(StatusCode::OK, &ConsistencyProof { old, size, hashes }))
}
