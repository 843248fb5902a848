//! `POST /v1/keys/verify/batch`: many keys in one request.

use std::borrow::Cow;
use std::collections::VecDeque;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use keys::Question;
use ledger::{AUDIT, AsOf, Role, VERIFY};

use super::{asker, unrecorded, verify_as_of};
use crate::app::App;
use crate::error::ApiError;
use crate::request::as_of::AsOfAnswer;
use crate::request::body::read_long_json;
use crate::request::context::HttpContext;
use crate::request::extract::{json, parse, query};
use crate::request::parameters::NoParameters;
use crate::wire;
use crate::wire::{Verify, VerifyBatch};

/// The longest body: 100 questions of the longest fields that are good alone.
const MAX_BODY: usize = 512 * 1024;

/// Says of several presented keys whether they may be used
///
/// As many requests to verify, in one: `results` has what each alone is answered, in order, and each
/// counts alone. The body may have 524288 bytes.
///
/// If anything is wrong with one of them, it is named (`keys[2].ip`) and none is answered or counted.
#[utoipa::path(
    post,
    path = "/v1/keys/verify/batch",
    operation_id = "verifyKeys",
    tag = "verify",
    request_body = VerifyBatch,
    responses((status = 200, body = wire::VerifiedBatch)),
)]
pub(crate) async fn verify_batch(
    State(app): State<App>,
    context: HttpContext,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let authenticated = asker(&app, &parts.headers, &context)?;
    let bytes = read_long_json(&parts.headers, body, MAX_BODY).await?;
    let NoParameters {} = query(parts.uri.query())?;
    let batch = json::<VerifyBatch<'_>>(&bytes)?.keys()?;
    let items: Vec<BatchItem<'_>> = batch
        .enumerate()
        .map(|(at, key)| BatchItem::read(key).map_err(|error| error.within(&format!("keys[{at}]"))))
        .collect::<Result<_, _>>()?;
    for roles in [VERIFY, AUDIT] {
        if items.iter().any(|item| item.roles() == roles) {
            authenticated.require(roles)?;
        }
    }
    let caller = unrecorded(&authenticated.token.identity);
    // The past first: it may be refused, and then nothing was counted.
    let mut past = VecDeque::new();
    for (at, item) in items.iter().enumerate() {
        let Some(as_of) = item.as_of else { continue };
        let (presented, question) = (item.key.clone().into_owned(), item.question.clone());
        let verified = verify_as_of(&app, caller.clone(), Some(as_of), presented, question).await;
        past.push_back(verified.map_err(|error| error.within(&format!("keys[{at}]")))?);
    }
    let verified = items.iter().map(|item| match item.as_of.and_then(|_| past.pop_front()) {
        Some((verified, moment)) => Ok((verified, Some(moment))),
        None => Ok((app.ledger().verify(&caller, &item.key, &item.question)?, None)),
    });
    let verified = verified.collect::<Result<Vec<_>, ApiError>>()?;
    let results = verified.iter().map(|(verified, moment)| {
        let answer = wire::Verified::new(verified);
        match moment {
            Some(moment) => AsOfAnswer::then(answer, moment),
            None => AsOfAnswer::now(answer),
        }
    });
    Ok(wire::json(StatusCode::OK, &wire::VerifiedBatch { results: results.collect() }))
}

/// One key of a batch, with everything about it checked that can be before it is looked up.
struct BatchItem<'a> {
    key: Cow<'a, str>,
    question: Question,
    as_of: Option<AsOf>,
}

impl<'a> BatchItem<'a> {
    fn read(sent: Verify<'a>) -> Result<BatchItem<'a>, ApiError> {
        let question = sent.question()?;
        let as_of = parse("as_of", sent.as_of.as_deref())?;
        Ok(BatchItem { key: sent.key, question, as_of })
    }

    /// Who may ask this.
    fn roles(&self) -> &'static [Role] {
        if self.as_of.is_some() { AUDIT } else { VERIFY }
    }
}
