//! `/v1/tokens`: the service's own tokens, listed, made and ended by who has all that they have.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use std::str::FromStr;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{delete, get, post};
use keys::{Invalid, Timestamp};
use ledger::{MANAGE, TokenFilter, TokenView};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::http::route::Routes;
use crate::request::authenticated::Reader;
use crate::request::change::{ChangeBody, ChangeRequest, Target};
use crate::request::cursor;
use crate::request::extract::{Path, parse};
use crate::request::page::{Both, PageParameters};
use crate::wire;
use crate::wire::Reasoned;
use crate::wire::token::{
    CreateToken, EndedToken, EndedTokens, MadeToken, RevokeTokens, TokenList, TokenState, scope,
};

/// How long the text of a token is given again to the request that made it, by the process that did.
const TEXT_AGAIN_S: u64 = 600;

/// The routes of tokens.
pub(crate) fn router() -> Routes {
    Routes::default()
        .add("/v1/tokens", get(list).post(create))
        .add("/v1/tokens/revoke", post(revoke))
        .add("/v1/tokens/{jti}", delete(end))
}

/// Which tokens; what is missing does not matter.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listed {
    /// Bound to this account; `*`: to all accounts.
    #[param(min_length = 1, max_length = 100)]
    account: Option<String>,
    /// Of this subject.
    #[param(min_length = 1, max_length = 255)]
    subject: Option<String>,
    /// Whether they were ended before their time.
    ended: Option<bool>,
}

/// Lists the service's own tokens that were made or used here, oldest first
///
/// A caller sees those that have nothing which it has not itself: an owner those of its account, but
/// of no role above its own; a user those that are for its subject. Tokens whose time is over are
/// left out, and so are those of other issuers. Of more than 131,072 tokens some are not listed.
#[utoipa::path(
    get,
    path = "/v1/tokens",
    operation_id = "listTokens",
    tag = "tokens",
    params(Listed, PageParameters),
    responses((status = 200, body = TokenList)),
)]
pub(crate) async fn list(
    State(app): State<App>,
    reader: Reader,
    Both(page, parameters): Both<PageParameters, Listed>,
) -> Result<Response, ApiError> {
    reader.require(MANAGE)?;
    let most = page.limit()?;
    let filter = TokenFilter {
        account: scope("account", parameters.account.as_deref())?,
        subject: parse("subject", parameters.subject.as_deref())?,
        ended: parameters.ended,
    };
    let after = page.cursor().map(cursor::tokens).transpose()?;
    let (tokens, now) = (app.journal().tokens(), app.ledger().now());
    let page = tokens.page(&reader.caller, &filter, after.as_ref(), most, now)?;
    let items = page.items.iter().map(TokenState::new).collect();
    let next_cursor = page.next.as_ref().map(cursor::of_tokens);
    Ok(wire::json(StatusCode::OK, &wire::Page { items, next_cursor }))
}

impl ChangeBody for CreateToken {
    fn reason(&mut self) -> Option<String> {
        None
    }
}

/// Makes a token
///
/// It has nothing that the caller has not itself: no other account, no role above. Roles `owner` and
/// `admin`. The answer is the only one that has its text: a repeat with the same `Idempotency-Key` has it
/// for ten minutes, until the service starts again, and then null.
#[utoipa::path(
    post,
    path = "/v1/tokens",
    operation_id = "createToken",
    tag = "tokens",
    request_body = CreateToken,
    responses(
        (status = 201, description = "The new token", body = MadeToken),
        (status = 200, description = "Of a dry run: what would be", body = MadeToken),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    request: ChangeRequest<CreateToken>,
) -> Result<Response, ApiError> {
    no_receipt(request.receipt)?;
    let wanted = request.body.wanted()?;
    app.ledger().count_change(&request.caller)?;
    let ChangeRequest { caller, options, now, .. } = request;
    let made = app.journal().make_token(&caller, wanted, &options, now).await?;
    let view = &made.view;
    let is_given = !options.dry_run && made.made_here && is_given(view, now);
    let secret = is_given.then(|| app.auth().text_of(&view.token));
    let status = if options.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    let secret = secret.as_ref().map(|text| text.as_str());
    let answer = MadeToken { token: TokenState::new(view), secret };
    let mut response = wire::receipted(status, &answer, None);
    wire::replayed(&mut response, made.replayed);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Whether the text of a token is in the answer.
fn is_given(view: &TokenView, now: Timestamp) -> bool {
    view.ended_at.is_none() && now < view.token.made_at.plus_secs(TEXT_AGAIN_S)
}

/// An id of a token, in a path.
pub(crate) struct Jti(String);

impl FromStr for Jti {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Jti, Invalid> {
        if (1..=200).contains(&text.len()) {
            Ok(Jti(text.to_owned()))
        } else {
            Err(Invalid::Length { least: 1, most: 200 })
        }
    }
}

impl Target for Jti {
    async fn of(parts: &mut Parts, app: &App) -> Result<Jti, ApiError> {
        use axum::extract::FromRequestParts as _;

        Path::from_request_parts(parts, app).await.map(|Path(jti)| jti)
    }
}

/// Ends a token at once, for good
///
/// Open streams end, and connections that have shown it before. One that was never used here is not
/// found: it is ended with all of its subject, or with all made before a time.
#[utoipa::path(
    delete,
    path = "/v1/tokens/{jti}",
    operation_id = "endToken",
    tag = "tokens",
    params(("jti" = String, Path, description = "The token's id", min_length = 1, max_length = 200)),
    request_body = Option<Reasoned>,
    responses((status = 200, body = EndedToken)),
)]
pub(crate) async fn end(
    State(app): State<App>,
    request: ChangeRequest<Reasoned, Jti>,
) -> Result<Response, ApiError> {
    no_receipt(request.receipt)?;
    request.body.only_reason()?;
    app.ledger().count_change(&request.caller)?;
    let ChangeRequest { caller, target: Jti(jti), options, now, .. } = request;
    let view = app.journal().end_token(&caller, &jti, &options, now).await?;
    Ok(wire::json(StatusCode::OK, &EndedToken { token: TokenState::new(&view) }))
}

impl ChangeBody for RevokeTokens {
    fn reason(&mut self) -> Option<String> {
        self.reason.take()
    }
}

/// Ends all tokens of a subject, or all made before a time, at once and for good
///
/// Those that were never used here too, as soon as they are. Only tokens that have nothing which the
/// caller has not itself: an owner ends none of an admin's. `issued_before` now ends the caller's
/// own token as well.
///
/// A repeat with the same `Idempotency-Key` ends nothing, tokens made since included. After the service
/// started again that holds where a subject is named; without one, `issued_before` is what makes a repeat
/// harmless.
#[utoipa::path(
    post,
    path = "/v1/tokens/revoke",
    operation_id = "revokeTokens",
    tag = "tokens",
    request_body = RevokeTokens,
    responses((status = 200, body = EndedTokens)),
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    request: ChangeRequest<RevokeTokens>,
) -> Result<Response, ApiError> {
    no_receipt(request.receipt)?;
    let which = request.body.which(request.now)?;
    app.ledger().count_change(&request.caller)?;
    let ChangeRequest { caller, options, now, .. } = request;
    let ended = app.journal().end_tokens(&caller, which, &options, now).await?;
    let mut response = wire::json(StatusCode::OK, &EndedTokens::new(&ended.outcome));
    wire::replayed(&mut response, ended.replayed);
    Ok(response)
}

/// What becomes of tokens and persons is recorded in the access journal, which gives no receipts.
pub(crate) fn no_receipt(wanted: bool) -> Result<(), ApiError> {
    if wanted { Err(ApiError::field("receipt", "is of changes of keys only")) } else { Ok(()) }
}
