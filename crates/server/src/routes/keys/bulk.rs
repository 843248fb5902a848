//! `POST /v1/keys/bulk`: the status of many keys at once.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use keys::NewKey;
use ledger::{Bulk, BulkSearch, Caller, Change, Ledger};

use crate::app::App;
use crate::dialects;
use crate::dialects::Rights;
use crate::error::ApiError;
use crate::request::change::ChangeRequest;
use crate::wire;
use crate::wire::BulkChange;

/// Changes the status of many keys
///
/// All that are changed are in one commit. A filter takes the keys that the list shows with it, oldest
/// first; `ids` are taken in their order. A key that cannot be changed so, or that changed meanwhile,
/// is in `refused`, at most 1,000 of them, and does not count for `limit`; other people's keys are
/// `key_not_found`. While `more` is true, the same request goes on with those that are left.
///
/// With `dry_run`, `changed` has what would be. A repeat with the same `Idempotency-Key` has the same
/// `changed`; what else it says is of now.
#[utoipa::path(
    post,
    path = "/v1/keys/bulk",
    operation_id = "changeKeys",
    tag = "keys",
    request_body = BulkChange,
    responses((status = 200, body = wire::BulkChanged)),
)]
pub(crate) async fn change(
    State(app): State<App>,
    request: ChangeRequest<BulkChange>,
) -> Result<Response, ApiError> {
    let ChangeRequest { caller, plan, now, options, receipt, body, .. } = request;
    if options.if_revision.is_some() {
        return Err(ApiError::field("if-match", "is of one key"));
    }
    if receipt {
        return Err(ApiError::field("receipt", "each event has its own, /v1/events/{seq}/receipt"));
    }
    let bulk: Bulk = body.bulk(now)?;
    let (change, rights) = (bulk.change, Rights { roles: caller.identity.roles, plan });
    let mut search = BulkSearch::new(bulk, options.dry_run);
    while !search.is_done() {
        let look = move |ledger: &Ledger, caller: &Caller| {
            let permits = |key: &NewKey| {
                !matches!(change, Change::Enable) || dialects::may_enable(rights, key).is_ok()
            };
            ledger.look_for(caller, search, &permits)
        };
        search = app.read(caller.clone(), look).await?;
    }
    let done = if options.dry_run {
        search.rehearsed()
    } else {
        app.ledger().change_found(&caller, search, options).await?
    };
    let mut response = wire::json(StatusCode::OK, &wire::BulkChanged::new(&done));
    wire::replayed(&mut response, done.replayed);
    Ok(response)
}
