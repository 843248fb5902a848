//! `GET /v1/events/{seq}/receipt`: the proof that an event is in the log.

use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::error::ApiError;
use crate::request::authenticated::Reader;
use crate::request::extract::{Path, Place, Query};
use crate::request::parameters::NoParameters;
use crate::routes::events::found;
use crate::routes::evidence::answers::fresh;

/// Gives the receipt of an event
///
/// A proof file (c2sp.org/tlog-proof) with the last signed checkpoint: it proves offline that the
/// event is in the log.
#[utoipa::path(
    get,
    path = "/v1/events/{seq}/receipt",
    operation_id = "eventReceipt",
    tag = "evidence",
    params(("seq" = u64, Path, description = "Its place in the log")),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn receipt(
    State(app): State<App>,
    reader: Reader,
    Path(Place(seq)): Path<Place>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response, ApiError> {
    let read = app.read(reader.caller, move |ledger, caller| {
        let entry = ledger.event(caller, seq)?;
        ledger.receipt(caller, &entry).map(|receipt| receipt.to_string())
    });
    Ok(fresh(found(read.await)?))
}
