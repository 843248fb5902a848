//! `/healthz` and `/readyz`: that the process answers, and that it takes changes.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, Code};
use crate::wire;

/// How the service is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok` of the process, `ready` of the service.
    #[schema(value_type = wire::words::Alive)]
    status: &'static str,
    /// What the operator should look at though changes are taken; missing if there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<&'static str>,
}

/// Says that the process answers
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    tag = "operations",
    security(()),
    responses((status = 200, body = Health)),
)]
pub(crate) async fn alive() -> Response {
    wire::json(StatusCode::OK, &Health { status: "ok", warnings: Vec::new() })
}

/// Says whether the log is open, replayed and writable
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "operations",
    security(()),
    responses((status = 200, body = Health)),
)]
pub(crate) async fn ready(State(app): State<App>) -> Result<Response, ApiError> {
    app.ledger().ready().map_err(|why| ApiError::new(Code::NotReady, why.to_string()))?;
    if app.journal().is_broken() {
        let why = "the access journal is broken; restart the service to read it again";
        return Err(ApiError::new(Code::NotReady, why));
    }
    if let Some(why) = app.auth().unusable() {
        return Err(ApiError::new(Code::NotReady, why));
    }
    let rules = (!app.config().accounts_file.is_usable()).then_some(
        "the file with the rules of accounts cannot be used: those that were read from it before \
         hold; the log says why",
    );
    // They are other people's machines: that they are away must not end the service here.
    let witnesses = app.config().witnesses.are_late().then_some(
        "the witnesses lag: no quorum of them has cosigned a checkpoint for longer than \
         --witness-max-lag; the log and the metrics say which, and why",
    );
    Ok(wire::json(
        StatusCode::OK,
        &Health { status: "ready", warnings: rules.into_iter().chain(witnesses).collect() },
    ))
}
