//! `POST /v1/keys/verify`: the hot path. Memory only, and as few allocations as the answer needs.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use keys::{Dialect, Verdict};
use ledger::{Caller, Identity, Origin};

use crate::auth::{Authenticated, VERIFY};
use crate::extract::{json, query, read_body};
use crate::keys_routes::Nothing;
use crate::wire::{self, KeyRef, Verify};
use crate::{ApiError, App};

/// Says whether a presented key may be used
///
/// Always 200; `code` is the first that holds.
#[utoipa::path(
    post,
    path = "/v1/keys/verify",
    tag = "verify",
    request_body = Verify,
    responses((status = 200, body = wire::Verified)),
)]
pub(crate) async fn verify(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let who = Authenticated::of(&parts, &app)?;
    who.require(VERIFY)?;
    let bytes = read_body(body).await?;
    let Nothing {} = query(parts.uri.query())?;
    let asked: Verify<'_> = json(&bytes)?;
    let question = asked.question()?;
    let caller = unrecorded(&who.token.identity);
    let verified = app.ledger().verify(&caller, &asked.key, &question)?;
    let answer = wire::Verified {
        valid: verified.verdict == Verdict::Valid,
        code: verified.verdict.as_str(),
        key: verified.key.as_deref().map(|key| KeyRef::new(key, verified.expires_at)),
        remaining_today: verified.remaining_today,
        log_size: verified.log_size.0,
    };
    Ok(wire::json(StatusCode::OK, &answer))
}

/// A caller for what leaves no record, and so needs no origin.
pub(crate) fn unrecorded(identity: &Arc<Identity>) -> Caller {
    Caller { identity: Arc::clone(identity), dialect: Dialect::Native, origin: Origin::default() }
}
