//! `/v1/subjects/{subject}`: all that there is about a person, and its end.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use keys::Subject;
use ledger::{Range, Reading, Role};

use super::tokens::no_receipt;
use crate::app::App;
use crate::error::ApiError;
use crate::export::long::LongAnswer;
use crate::export::person::PersonReport;
use crate::http::route::Routes;
use crate::request::authenticated::Reader;
use crate::request::change::{ChangeBody, ChangeRequest};
use crate::request::extract::{Path, Query};
use crate::request::parameters::NoParameters;
use crate::wire;
use crate::wire::subject::{
    EraseSubject, ErasedSubject, HoldSubject, PlacedHold, ReleaseSubject, ReleasedHold, ShownHold,
    SubjectReport,
};

/// Who may look at all of a person, and forget it: those of all accounts.
const PERSONS: &[Role] = &[Role::Admin];

/// The routes of persons.
pub(crate) fn router() -> Routes {
    Routes::default()
        .add("/v1/subjects/{subject}", get(show))
        .add("/v1/subjects/{subject}/erase", post(erase))
        .add("/v1/subjects/{subject}/hold", post(hold))
        .add("/v1/subjects/{subject}/release", post(release))
}

macro_rules! bodies {
    ($($body:ty)+) => {$(
        impl ChangeBody for $body {
            const ROLES: &[Role] = PERSONS;

            fn without_body() -> Option<$body> {
                Some(<$body>::default())
            }

            fn reason(&mut self) -> Option<String> {
                self.reason.take()
            }
        }
    )+};
}

bodies!(EraseSubject HoldSubject ReleaseSubject);

/// Gives all that there is about a person, as one JSON
///
/// Keys, events, own tokens, entries of the access journal and webhooks, of all accounts. It is written
/// as it is read, and can be long. Recorded in the access journal as a `report`.
///
/// Role `admin`, of all accounts.
#[utoipa::path(
    get,
    path = "/v1/subjects/{subject}",
    operation_id = "getSubject",
    tag = "subjects",
    params(("subject" = String, Path, description = "Who it is, percent-encoded", min_length = 1, max_length = 255)),
    responses((status = 200, body = SubjectReport)),
)]
pub(crate) async fn show(
    State(app): State<App>,
    reader: Reader,
    Path(subject): Path<Subject>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    reader.require_all(PERSONS)?;
    let long = LongAnswer::begin(&app, &reader)?;
    let (journal, person) = (app.journal().clone(), subject.clone());
    let found = app.read(reader.caller.clone(), move |_, caller| {
        Ok((journal.pseudonyms(caller, &person)?, journal.holds(caller, &person)?))
    });
    let (persons, holds) = found.await?;
    let until = Some(*app.ledger().length().borrow());
    reader.record(&app, Reading::Report, Range { until, ..Range::default() }).await?;
    let mut report = PersonReport::new(&app, reader.caller, subject, persons, &holds);
    long.answer("application/json", move |ledger| report.piece(ledger)).await
}

/// Erases a person
///
/// The keys that what says who it is is sealed under are destroyed: lists, events, exports and bundles
/// show `erased` from then on. No record changes, and proofs of before hold. Its API keys work on until
/// they are revoked. It cannot be undone. A request that was not answered is sent again, until the
/// answer is 200, or 404: then it was done. A repeat with the same `Idempotency-Key` has the same answer
/// until the service starts again: what is left of a person nowhere says which request erased it. Then
/// it is 404, or erases who came with the same name since.
///
/// Role `admin`, of all accounts.
#[utoipa::path(
    post,
    path = "/v1/subjects/{subject}/erase",
    operation_id = "eraseSubject",
    tag = "subjects",
    params(("subject" = String, Path, description = "Who it is, percent-encoded", min_length = 1, max_length = 255)),
    request_body = Option<EraseSubject>,
    responses((status = 200, body = ErasedSubject)),
)]
pub(crate) async fn erase(
    State(app): State<App>,
    request: ChangeRequest<EraseSubject, Subject>,
) -> Result<Response, ApiError> {
    no_receipt(request.receipt)?;
    let legal_basis = request.body.legal_basis()?;
    let ChangeRequest { caller, target: subject, options, now, .. } = request;
    let dry_run = options.dry_run;
    let erasing = app.clone();
    // Once it is recorded it is done, though the client goes away meanwhile.
    let erased = tokio::spawn(async move {
        let (journal, ledger) = (erasing.journal(), erasing.ledger());
        let erased = journal.erase(ledger, &caller, &subject, legal_basis, &options, now).await;
        if !dry_run {
            erasing.streams().forget();
        }
        erased
    });
    let erased = erased.await.map_err(|error| ApiError::internal(&error))??;
    let mut response = wire::json(StatusCode::OK, &ErasedSubject::new(&erased.outcome));
    wire::replayed(&mut response, erased.replayed);
    Ok(response)
}

/// Places a hold on a person, which is then not erased
///
/// Until every hold is released: 409 `on_hold`. The same request again places another one, but for one
/// with the same `Idempotency-Key`.
///
/// Role `admin`, of all accounts.
#[utoipa::path(
    post,
    path = "/v1/subjects/{subject}/hold",
    operation_id = "holdSubject",
    tag = "subjects",
    params(("subject" = String, Path, description = "Who it is, percent-encoded", min_length = 1, max_length = 255)),
    request_body = Option<HoldSubject>,
    responses(
        (status = 201, description = "The hold", body = PlacedHold),
        (status = 200, description = "Of a dry run: what would be", body = PlacedHold),
    ),
)]
pub(crate) async fn hold(
    State(app): State<App>,
    request: ChangeRequest<HoldSubject, Subject>,
) -> Result<Response, ApiError> {
    no_receipt(request.receipt)?;
    app.ledger().count_change(&request.caller)?;
    let ChangeRequest { caller, target: subject, options, now, .. } = request;
    let placed = app.journal().hold(&caller, &subject, &options, now).await?;
    let status = if options.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = wire::json(status, &PlacedHold { hold: ShownHold::new(&placed.outcome) });
    wire::replayed(&mut response, placed.replayed);
    Ok(response)
}

/// Releases a hold of a person
///
/// The only one, if none is named. A repeat with the same `Idempotency-Key` releases no other. Role `admin`, of all accounts.
#[utoipa::path(
    post,
    path = "/v1/subjects/{subject}/release",
    operation_id = "releaseSubject",
    tag = "subjects",
    params(("subject" = String, Path, description = "Who it is, percent-encoded", min_length = 1, max_length = 255)),
    request_body = Option<ReleaseSubject>,
    responses((status = 200, body = ReleasedHold)),
)]
pub(crate) async fn release(
    State(app): State<App>,
    request: ChangeRequest<ReleaseSubject, Subject>,
) -> Result<Response, ApiError> {
    no_receipt(request.receipt)?;
    let id = request.body.hold()?;
    app.ledger().count_change(&request.caller)?;
    let ChangeRequest { caller, target: subject, options, now, .. } = request;
    let released = app.journal().release(&caller, &subject, id, &options, now).await?;
    let shown = ReleasedHold { released: ShownHold::new(&released.outcome) };
    let mut response = wire::json(StatusCode::OK, &shown);
    wire::replayed(&mut response, released.replayed);
    Ok(response)
}
