//! `/v1/keys`: made, rotated, read.

pub(crate) mod bulk;
pub(crate) mod change;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod proof;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, patch, post};
use keys::{KeyId, Rotation};
use ledger::{Caller, KeyView, Ledger, Range, Reading, Receipt};

use crate::app::App;
use crate::dialects;
use crate::dialects::Rights;
use crate::error::ApiError;
use crate::http::fast_path::FastAnswer;
use crate::http::route::{Route, Routes};
use crate::request::as_of::{AsOfAnswer, AsOfQuery, read_as_of};
use crate::request::authenticated::Reader;
use crate::request::change::{ChangeRequest, receipt};
use crate::request::context::HttpContext;
use crate::request::cursor;
use crate::request::extract::{Path, Query, field, parse};
use crate::request::page::PageParameters;
use crate::request::reading::range_of;
use crate::wire;
use crate::wire::{Create, Event, Key, Rotate};

/// The routes of keys and of one key.
pub(crate) fn router() -> Routes {
    Routes::default()
        .add(Route::new("/v1/keys").fast_post(fast_create), get(list::list).post(create))
        .add("/v1/keys/bulk", post(bulk::change))
        .add("/v1/keys/import", post(import::import))
        .add("/v1/keys/{id}", get(one).merge(patch(change::update)).merge(delete(change::delete)))
        .add("/v1/keys/{id}/history", get(history))
        .add("/v1/keys/{id}/enable", post(change::enable))
        .add("/v1/keys/{id}/disable", post(change::disable))
        .add("/v1/keys/{id}/expire", post(change::expire))
        .add("/v1/keys/{id}/revoke", post(change::revoke))
        .add("/v1/keys/{id}/rotate", post(rotate))
        .add("/v1/keys/{id}/proof", get(proof::proof))
}

/// Makes a key
///
/// The answer is the only one that has its text. With `import` the key has the secret that it had
/// elsewhere, which the answer has not; a secret that is here already is 409 `key_exists`.
#[utoipa::path(
    post,
    path = "/v1/keys",
    operation_id = "createKey",
    tag = "keys",
    request_body = Create,
    responses(
        (status = 201, description = "The new key", body = wire::Created),
        (status = 200, description = "Of a dry run: what would be", body = wire::Created),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    request: ChangeRequest<Create>,
) -> Result<Response, ApiError> {
    let draft = request.body.draft(request.now)?;
    let dry_run = request.options.dry_run;
    let created = app.ledger().create(&request.caller, draft, request.options).await?;
    let receipt = receipt(&app, &request.caller, request.receipt, created.entry.as_ref())?;
    Ok(made(&created, dry_run, receipt.as_ref()))
}

/// Puts a new key in the place of one
///
/// What is not named is copied. The old key stays valid for `overlap_s` more seconds.
#[utoipa::path(
    post,
    path = "/v1/keys/{id}/rotate",
    operation_id = "rotateKey",
    tag = "keys",
    request_body = Option<Rotate>,
    responses(
        (status = 201, description = "The new key", body = wire::Created),
        (status = 200, description = "Of a dry run: what would be", body = wire::Created),
    ),
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    request: ChangeRequest<Rotate, KeyId>,
) -> Result<Response, ApiError> {
    let rotation = field("overlap_s", Rotation::new(request.body.overlap_s.unwrap_or(0)))?;
    let rights = Rights { roles: request.caller.identity.roles, plan: request.plan };
    let mut changes = request.body.changes()?;
    let view = app.ledger().key(&request.caller, request.target)?;
    dialects::bind_rotation(&app, rights, &view.key, &mut changes)?;
    let dry_run = request.options.dry_run;
    let created = app
        .ledger()
        .rotate(&request.caller, request.target, changes, rotation, request.options)
        .await?;
    let receipt = receipt(&app, &request.caller, request.receipt, created.entry.as_ref())?;
    Ok(made(&created, dry_run, receipt.as_ref()))
}

/// Makes a key, past the router.
fn fast_create<'a>(app: &'a App, request: Request, context: &'a HttpContext) -> FastAnswer<'a> {
    Box::pin(async move {
        match ChangeRequest::read(app, request, context).await {
            Ok(request) => create(State(app.clone()), request).await.into_response(),
            Err(error) => error.into_response(),
        }
    })
}

#[expect(clippy::expect_used, reason = "the path of a key is lawful in a header")]
fn made(created: &ledger::Created, dry_run: bool, receipt: Option<&Receipt>) -> Response {
    let status = if dry_run { StatusCode::OK } else { StatusCode::CREATED };
    let answer = wire::Created {
        key: Key::new(&created.key),
        secret: created.secret.as_ref().map(keys::Secret::reveal),
        receipt: None,
    };
    let mut response = wire::receipted(status, &answer, receipt);
    wire::tag(&mut response, created.key.state.revision);
    wire::replayed(&mut response, created.replayed);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !dry_run {
        let location = format!("/v1/keys/{}", created.key.key.id);
        let location = HeaderValue::from_str(&location).expect("an id is ASCII");
        headers.insert(header::LOCATION, location);
    }
    response
}

/// Shows a key
///
/// One that was not there yet at `as_of` is 404. `last_used_at` is null as of the past: the log
/// does not hold uses.
#[utoipa::path(
    get,
    path = "/v1/keys/{id}",
    operation_id = "getKey",
    tag = "keys",
    params(AsOfQuery),
    responses((status = 200, body = wire::described::KeyAsOf)),
)]
pub(crate) async fn one(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<KeyId>,
    Query(parameters): Query<AsOfQuery>,
) -> Result<Response, ApiError> {
    let Some(as_of) = parse("as_of", parameters.as_of.as_deref())? else {
        let view = app.ledger().key(&reader.caller, id)?;
        return Ok(shown(&view, &AsOfAnswer::now(Key::new(&view))));
    };
    let (view, moment) =
        read_as_of(&app, reader.caller, Some(as_of), move |ledger, caller, moment| {
            ledger.key_as_of(caller, id, moment)
        })
        .await?;
    Ok(shown(&view, &AsOfAnswer::then(Key::new(&view), &moment)))
}

fn shown(view: &KeyView, answer: &AsOfAnswer<Key<'_>>) -> Response {
    let mut response = wire::json(StatusCode::OK, answer);
    wire::tag(&mut response, view.state.revision);
    response
}

/// Lists every event of a key, oldest first
#[utoipa::path(
    get,
    path = "/v1/keys/{id}/history",
    operation_id = "keyHistory",
    tag = "keys",
    params(PageParameters),
    responses((status = 200, body = wire::described::EventList)),
)]
pub(crate) async fn history(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<KeyId>,
    Query(page): Query<PageParameters>,
) -> Result<Response, ApiError> {
    let limit = page.limit()?;
    let from = cursor::history(page.cursor())?;
    let read = move |ledger: &Ledger, caller: &Caller| ledger.history(caller, id, from, limit);
    let page = app.read(reader.caller.clone(), read).await?;
    let range = Range { key: Some(id), ..range_of(page.items.iter()) };
    reader.record(&app, Reading::History, range).await?;
    let items = page.items.iter().map(|entry| Event::for_key(entry, Some(id))).collect();
    let next_cursor = page.next.map(cursor::of_history);
    Ok(wire::json(StatusCode::OK, &wire::Page { items, next_cursor }))
}
