//! `/v1/self`: a key that calls with its own text. It looks at itself and ends itself, and that is
//! all that a key can do here: whoever finds one that leaked can end it at once.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use ledger::Identity;

use crate::app::App;
use crate::auth::checked::Plan;
use crate::error::ApiError;
use crate::http::route::Routes;
use crate::request::authenticated::{bearer_text, caller};
use crate::request::change::{ChangeRequest, OwnKey, RequestedBy};
use crate::request::context::HttpContext;
use crate::request::extract::query;
use crate::request::parameters::NoParameters;
use crate::routes::keys::change::answer;
use crate::wire;
use crate::wire::{Key, Reasoned};

/// The routes of a key that calls with its own text.
pub(crate) fn router() -> Routes {
    Routes::default().add("/v1/self", get(show)).add("/v1/self/revoke", post(revoke))
}

/// Who bears the key in `Authorization`. Whatever else is sent there is answered alike.
fn bearer(parts: &Parts, app: &App) -> Result<Arc<Identity>, ApiError> {
    let address = HttpContext::of(&parts.extensions).client(&parts.headers, app);
    app.guesses().check(address, || {
        let text = bearer_text(&parts.headers).ok().flatten();
        text.and_then(|text| app.ledger().bearer_of(text)).ok_or_else(ApiError::no_key)
    })
}

/// Shows the key that calls
///
/// The key itself is the bearer, a secret one, whatever its status and the addresses it may be used
/// from. Anything else is 401.
#[utoipa::path(
    get,
    path = "/v1/self",
    operation_id = "getSelf",
    tag = "self",
    security(("key" = [])),
    responses((status = 200, body = Key)),
)]
pub(crate) async fn show(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts, &app, &bearer(&parts, &app)?);
    app.ledger().count_read(&caller)?;
    let NoParameters {} = query(parts.uri.query())?;
    let view = app.ledger().own_key(&caller)?;
    let mut response = wire::json(StatusCode::OK, &Key::new(&view));
    wire::tag(&mut response, view.state.revision);
    uncached(&mut response);
    Ok(response)
}

/// Withdraws the key that calls, for good
///
/// For whoever finds a key that leaked: the key itself is the bearer. A key that is disabled can be
/// withdrawn so; of one that is expired or revoked already the answer says that.
#[utoipa::path(
    post,
    path = "/v1/self/revoke",
    operation_id = "revokeSelf",
    tag = "self",
    security(("key" = [])),
    request_body = Option<Reasoned>,
    responses((status = 200, body = wire::Changed)),
)]
pub(crate) async fn revoke(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let context = HttpContext::of(&parts.extensions).clone();
    let caller = caller(&parts, &app, &bearer(&parts, &app)?);
    let by = RequestedBy { caller, plan: Plan::Free, now: app.ledger().now() };
    let request: ChangeRequest<Reasoned, OwnKey> =
        ChangeRequest::read_by(&app, (parts, body), &context, by).await?;
    let revocation = request.body.revocation(request.now)?;
    let changed = app.ledger().revoke_own(&request.caller, revocation, request.options).await?;
    let mut response = answer(&app, &request.caller, request.receipt, &changed)?;
    uncached(&mut response);
    Ok(response)
}

fn uncached(response: &mut Response) {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
