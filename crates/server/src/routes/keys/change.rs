//! `/v1/keys/{id}/…`: switched on and off, ended, withdrawn.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use keys::KeyId;
use ledger::{Caller, Change, Updated};

use crate::app::App;
use crate::dialects;
use crate::dialects::Rights;
use crate::error::ApiError;
use crate::request::change::{ChangeRequest, receipt};
use crate::wire;
use crate::wire::{Event, Key, Patch, Reasoned};

/// Switches a key back on
#[utoipa::path(
    post,
    path = "/v1/keys/{id}/enable",
    operation_id = "enableKey",
    tag = "keys",
    request_body = Option<Reasoned>,
    responses((status = 200, body = wire::Changed)),
)]
pub(crate) async fn enable(
    State(app): State<App>,
    request: ChangeRequest<Reasoned, KeyId>,
) -> Result<Response, ApiError> {
    request.body.only_reason()?;
    let view = app.ledger().key(&request.caller, request.target)?;
    let rights = Rights { roles: request.caller.identity.roles, plan: request.plan };
    dialects::may_enable(rights, &view.key)?;
    change(&app, request, Change::Enable).await
}

/// Switches a key off; it may be enabled again
#[utoipa::path(
    post,
    path = "/v1/keys/{id}/disable",
    operation_id = "disableKey",
    tag = "keys",
    request_body = Option<Reasoned>,
    responses((status = 200, body = wire::Changed)),
)]
pub(crate) async fn disable(
    State(app): State<App>,
    request: ChangeRequest<Reasoned, KeyId>,
) -> Result<Response, ApiError> {
    request.body.only_reason()?;
    change(&app, request, Change::Disable).await
}

/// Ends a key before its time
#[utoipa::path(
    post,
    path = "/v1/keys/{id}/expire",
    operation_id = "expireKey",
    tag = "keys",
    request_body = Option<Reasoned>,
    responses((status = 200, body = wire::Changed)),
)]
pub(crate) async fn expire(
    State(app): State<App>,
    request: ChangeRequest<Reasoned, KeyId>,
) -> Result<Response, ApiError> {
    request.body.only_reason()?;
    change(&app, request, Change::Expire).await
}

/// Withdraws a key for good
#[utoipa::path(
    post,
    path = "/v1/keys/{id}/revoke",
    operation_id = "revokeKey",
    tag = "keys",
    request_body = Option<Reasoned>,
    responses((status = 200, body = wire::Changed)),
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    request: ChangeRequest<Reasoned, KeyId>,
) -> Result<Response, ApiError> {
    let revocation = request.body.revocation(request.now)?;
    change(&app, request, Change::Revoke(revocation)).await
}

/// Withdraws a key for good, as revoke does: a key is never gone
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    operation_id = "deleteKey",
    tag = "keys",
    request_body = Option<Reasoned>,
    responses((status = 200, body = wire::Changed)),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    request: ChangeRequest<Reasoned, KeyId>,
) -> Result<Response, ApiError> {
    revoke(State(app), request).await
}

/// Edits a key
///
/// A JSON merge patch (RFC 7396): a missing field stays as it is, null clears it. The secret stays
/// the same. Where nothing would change, nothing is recorded and `event` is null. Of a key that
/// another API made `owner`, `role`, `permissions` and `project` stay as that made it, and of a public one
/// `expires_at` too.
#[utoipa::path(
    patch,
    path = "/v1/keys/{id}",
    operation_id = "updateKey",
    tag = "keys",
    request_body = Patch,
    responses((status = 200, body = wire::Edited)),
)]
pub(crate) async fn update(
    State(app): State<App>,
    request: ChangeRequest<Patch, KeyId>,
) -> Result<Response, ApiError> {
    let view = app.ledger().key(&request.caller, request.target)?;
    dialects::may_edit(&view.key, &request.body)?;
    let edits = request.body.edits()?;
    let edited =
        app.ledger().update(&request.caller, request.target, edits, request.options).await?;
    match edited {
        Updated::Changed(changed) => answer(&app, &request.caller, request.receipt, &changed),
        Updated::Unchanged(view) => {
            let answer = wire::Edited { key: Key::new(&view), event: None, receipt: None };
            let mut response = wire::receipted(StatusCode::OK, &answer, None);
            wire::tag(&mut response, view.state.revision);
            Ok(response)
        }
    }
}

async fn change(
    app: &App,
    request: ChangeRequest<Reasoned, KeyId>,
    change: Change,
) -> Result<Response, ApiError> {
    let changed =
        app.ledger().change(&request.caller, request.target, change, request.options).await?;
    answer(app, &request.caller, request.receipt, &changed)
}

/// What is answered to a change of a key, with the event's receipt if it is wanted.
pub(crate) fn answer(
    app: &App,
    caller: &Caller,
    with_receipt: bool,
    changed: &ledger::Changed,
) -> Result<Response, ApiError> {
    let event = Event::for_key(&changed.entry, Some(changed.key.key.id));
    let entry = changed.recorded.then_some(&changed.entry);
    let receipt = receipt(app, caller, with_receipt, entry)?;
    let answer = wire::Changed { key: Key::new(&changed.key), event, receipt: None };
    let mut response = wire::receipted(StatusCode::OK, &answer, receipt.as_ref());
    wire::tag(&mut response, changed.key.state.revision);
    wire::replayed(&mut response, changed.replayed);
    Ok(response)
}
