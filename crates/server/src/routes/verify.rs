//! `POST /v1/keys/verify`: the hot path. Memory only, and as few allocations as the answer needs.
//! Beside it, [many in one request](batch).

pub(crate) mod batch;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use keys::{Dialect, Question};
use ledger::{AUDIT, AsOf, Caller, Identity, Moment, Origin, VERIFY, Verified};

use crate::app::App;
use crate::error::{ApiError, InvalidKind};
use crate::http::fast_path::FastAnswer;
use crate::http::route::{Route, Routes};
use crate::request::as_of::{AsOfAnswer, AsOfQuery, read_as_of};
use crate::request::authenticated::Authenticated;
use crate::request::body::read_json;
use crate::request::context::HttpContext;
use crate::request::extract::{json, parse, query};
use crate::wire;
use crate::wire::Verify;

/// The routes of this file.
pub(crate) fn router() -> Routes {
    Routes::default()
        .add(Route::new("/v1/keys/verify").fast_post(fast), post(verify))
        .add("/v1/keys/verify/batch", post(batch::verify_batch))
}

/// Says whether a presented key may be used
///
/// Always 200; `code` is the first that holds. `VALID` counts as `cost` uses for the key's rate limit
/// and its quota; a refusal by one of them uses nothing of the other.
///
/// With `as_of`, in the query or in the body, it says whether the key would have been good then:
/// for roles `auditor` and `admin`. That counts no use and is never `RATE_LIMITED` or
/// `USAGE_EXCEEDED`, because the log does not hold uses; a key that was not there yet is `NOT_FOUND`,
/// and `log_size` is how long the log was.
#[utoipa::path(
    post,
    path = "/v1/keys/verify",
    operation_id = "verifyKey",
    tag = "verify",
    params(AsOfQuery),
    request_body = Verify,
    responses((status = 200, body = wire::described::VerifyResult)),
)]
pub(crate) async fn verify(
    State(app): State<App>,
    context: HttpContext,
    request: Request,
) -> Result<Response, ApiError> {
    answer(&app, request, &context).await
}

/// The same, past the router.
fn fast<'a>(app: &'a App, request: Request, context: &'a HttpContext) -> FastAnswer<'a> {
    Box::pin(async move { answer(app, request, context).await.into_response() })
}

async fn answer(app: &App, request: Request, context: &HttpContext) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let authenticated = asker(app, &parts.headers, context)?;
    let bytes = read_json(&parts.headers, body).await?;
    let AsOfQuery { as_of } = query(parts.uri.query())?;
    let request: Verify<'_> = json(&bytes)?;
    let caller = unrecorded(&authenticated.token.identity);
    let as_of = match (as_of.as_deref(), request.as_of.as_deref()) {
        (None, None) => {
            authenticated.require(VERIFY)?;
            let verified = app.ledger().verify(&caller, &request.key, &request.question()?)?;
            return Ok(wire::json(StatusCode::OK, &wire::Verified::new(&verified)));
        }
        (Some(_), Some(_)) => Err(ApiError::field("as_of", InvalidKind::Repeated)),
        (text, None) | (None, text) => parse("as_of", text),
    };
    authenticated.require(AUDIT)?;
    let (as_of, question, presented) = (as_of?, request.question()?, request.key.into_owned());
    let (verified, moment) = verify_as_of(app, caller, as_of, presented, question).await?;
    let answer = wire::Verified::new(&verified);
    Ok(wire::json(StatusCode::OK, &AsOfAnswer::then(answer, &moment)))
}

/// Who may ask about keys, as they are or as they were.
fn asker(app: &App, headers: &HeaderMap, context: &HttpContext) -> Result<Authenticated, ApiError> {
    let authenticated = Authenticated::in_context(headers, context, app)?;
    if authenticated.require(VERIFY).is_err() {
        authenticated.require(AUDIT)?;
    }
    Ok(authenticated)
}

async fn verify_as_of(
    app: &App,
    caller: Caller,
    as_of: Option<AsOf>,
    presented: String,
    question: Question,
) -> Result<(Verified, Moment), ApiError> {
    read_as_of(app, caller, as_of, move |ledger, caller, moment| {
        ledger.verify_as_of(caller, &presented, &question, moment)
    })
    .await
}

/// A caller for what leaves no record, and so needs no origin.
pub(crate) fn unrecorded(identity: &Arc<Identity>) -> Caller {
    Caller { identity: Arc::clone(identity), dialect: Dialect::Native, origin: Origin::default() }
}
