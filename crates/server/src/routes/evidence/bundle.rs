//! `/v1/audit/bundle`: a bundle for an auditor, streamed as it is made.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use ::bundle::Scope;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ledger::{AUDIT, Ledger, Range, Reading};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::export::bundle::{Aside, Bundle, size_of};
use crate::export::long::LongAnswer;
use crate::request::authenticated::Reader;
use crate::request::extract::{Query, parse};

/// What is to be in the bundle; all of the log if nothing is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BundleQuery {
    /// Only events of this account's keys.
    #[param(min_length = 1, max_length = 100)]
    account: Option<String>,
    /// Only events recorded at this moment or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Only events recorded before this moment.
    #[param(format = DateTime)]
    to: Option<String>,
    /// A checkpoint of this log that the auditor kept, in base64url: the bundle holds the proof
    /// that the log extends it.
    earlier: Option<String>,
}

/// Gives a bundle: the log, or a part of it, with everything that is needed to check it
///
/// Of an account it has all records of its keys, with what shows that none is missing, and lists those of the
/// span; of a span of time all records in it, with the one before and the one after. Roles `auditor` and
/// `admin`, of all accounts.
#[utoipa::path(
    get,
    path = "/v1/audit/bundle",
    operation_id = "auditBundle",
    tag = "evidence",
    params(BundleQuery),
    responses((status = 200, body = Vec<u8>, content_type = "application/x-tar")),
)]
pub(crate) async fn bundle(
    State(app): State<App>,
    reader: Reader,
    Query(parameters): Query<BundleQuery>,
) -> Result<Response, ApiError> {
    reader.require(AUDIT)?;
    let scope = Scope {
        account: parse("account", parameters.account.as_deref())?,
        from: parse("from", parameters.from.as_deref())?,
        to: parse("to", parameters.to.as_deref())?,
    };
    if scope.is_inverted() {
        return Err(ApiError::field("to", "must be later than `from`"));
    }
    let earlier = parameters.earlier.as_deref().map(note_text).transpose()?;
    let long = LongAnswer::begin(&app, &reader)?;
    let account = scope.account.clone();
    let (stamps, cosigned) = (app.config().stamps.clone(), app.config().witnesses.cosigned());
    let read = app.read(reader.caller.clone(), move |ledger, caller| {
        let aside = Aside { stamps: &stamps, cosigned: cosigned.as_deref() };
        Bundle::new(ledger, caller, scope, earlier, aside)
    });
    let bundle = read.await?;
    let range = Range { until: Some(bundle.size()), account, ..Range::default() };
    reader.record(&app, Reading::Bundle, range).await?;
    let mut pieces = bundle.pieces();
    let pieces = move |ledger: &Ledger| match pieces.next(ledger) {
        Ok(piece) => Ok(piece.map(Bytes::from)),
        // What it was reading when nobody waited any more is no fault.
        Err(_) if ledger.is_cancelled() => Err(ledger::Error::Cancelled.into()),
        Err(error) => Err(ApiError::internal(&error)),
    };
    let mut response = long.answer("application/x-tar", pieces).await?;
    let name = HeaderValue::from_static("attachment; filename=\"keyledger-bundle.tar\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

fn note_text(text: &str) -> Result<String, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let note = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    note.filter(|note| size_of(note).is_some())
        .ok_or_else(|| ApiError::field("earlier", "must be a checkpoint in base64url"))
}
