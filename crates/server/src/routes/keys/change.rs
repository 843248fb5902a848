//! `/v1/keys/{id}/…`: switched on and off, ended, withdrawn.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use keys::KeyId;
use ledger::Change;

use crate::app::App;
use crate::dialects;
use crate::dialects::Rights;
use crate::error::ApiError;
use crate::request::change::{Asked, receipt};
use crate::wire;
use crate::wire::{Event, Key, Reasoned};

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
    asked: Asked<Reasoned, KeyId>,
) -> Result<Response, ApiError> {
    asked.body.only_reason()?;
    let view = app.ledger().key(&asked.caller, asked.target)?;
    let rights = Rights { roles: asked.caller.identity.roles, plan: asked.plan };
    dialects::may_enable(rights, &view.key)?;
    change(&app, asked, Change::Enable).await
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
    asked: Asked<Reasoned, KeyId>,
) -> Result<Response, ApiError> {
    asked.body.only_reason()?;
    change(&app, asked, Change::Disable).await
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
    asked: Asked<Reasoned, KeyId>,
) -> Result<Response, ApiError> {
    asked.body.only_reason()?;
    change(&app, asked, Change::Expire).await
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
    asked: Asked<Reasoned, KeyId>,
) -> Result<Response, ApiError> {
    let said = asked.body.revocation(asked.now)?;
    change(&app, asked, Change::Revoke(said)).await
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
    asked: Asked<Reasoned, KeyId>,
) -> Result<Response, ApiError> {
    revoke(State(app), asked).await
}

async fn change(
    app: &App,
    asked: Asked<Reasoned, KeyId>,
    change: Change,
) -> Result<Response, ApiError> {
    let changed = app.ledger().change(&asked.caller, asked.target, change, asked.ask).await?;
    let event = Event::for_key(&changed.entry, Some(asked.target));
    let entry = changed.recorded.then_some(&changed.entry);
    let receipt = receipt(app, &asked.caller, asked.receipt, entry)?;
    let answer = wire::Changed { key: Key::new(&changed.key), event, receipt: None };
    let mut response = wire::receipted(StatusCode::OK, &answer, receipt.as_ref());
    wire::tag(&mut response, changed.key.state.revision);
    wire::replayed(&mut response, changed.replayed);
    Ok(response)
}
