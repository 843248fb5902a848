//! `/v1/audit/bundle`: a bundle for an auditor, streamed as it is made.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use std::io::{self, BufWriter, Write};

use ::bundle::Scope;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keys::Timestamp;
use ledger::{Range, Reading};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

use crate::auth::{AUDIT, Reader};
use crate::bundle::{Bundle, size_of};
use crate::extract::{Query, parse};
use crate::{ApiError, App, wire};

/// How much is made before it is handed over.
const PIECE: usize = 64 * 1024;

/// What is to be in the bundle; all of the log if nothing is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AskBundle {
    /// Only events of this account's keys.
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
/// Roles `auditor` and `admin`, of all accounts.
#[utoipa::path(
    get,
    path = "/v1/audit/bundle",
    tag = "evidence",
    params(AskBundle),
    responses((status = 200, body = Vec<u8>, content_type = "application/x-tar")),
)]
pub(crate) async fn bundle(
    State(app): State<App>,
    who: Reader,
    Query(asked): Query<AskBundle>,
) -> Result<Response, ApiError> {
    who.require(AUDIT)?;
    let scope = Scope {
        account: parse("account", asked.account.as_deref())?,
        from: parse("from", asked.from.as_deref())?,
        to: parse("to", asked.to.as_deref())?,
    };
    let earlier = asked.earlier.as_deref().map(kept).transpose()?;
    let account = scope.account.clone();
    let read = app.read(who.caller.clone(), move |ledger, caller| {
        Bundle::new(ledger, caller, scope, earlier)
    });
    let bundle = read.await?;
    let range = Range { until: Some(bundle.size()), account, ..Range::default() };
    app.record(&who.caller, Reading::Bundle, range).await?;
    let (send, receive) = mpsc::channel(1);
    let sink = Sink { send, stopping: app.stopping(), app, until: who.expires_at };
    tokio::task::spawn_blocking(move || {
        let send = sink.send.clone();
        let mut out = BufWriter::with_capacity(PIECE, sink);
        let made = bundle.make(&mut out, &mut |_| {}).map_err(io::Error::other);
        if let Err(error) = made.and_then(|_| out.flush()) {
            // Cut off, and not ended: a part must not be taken for the whole.
            tracing::info!(%error, "a bundle was cut off");
            drop(send.blocking_send(Err(io::Error::other("cut off"))));
        }
    });
    let kind = HeaderValue::from_static("application/x-tar");
    let body = Body::from_stream(ReceiverStream::new(receive));
    let mut response = wire::typed(StatusCode::OK, kind, body);
    let name = HeaderValue::from_static("attachment; filename=\"keyledger-bundle.tar\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

fn kept(text: &str) -> Result<String, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let note = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    note.filter(|note| size_of(note).is_some())
        .ok_or_else(|| ApiError::field("earlier", "must be a checkpoint in base64url"))
}

/// Hands over what is written, as fast as the client takes it.
struct Sink {
    send: mpsc::Sender<io::Result<Bytes>>,
    app: App,
    stopping: watch::Receiver<bool>,
    /// Until when the token is accepted.
    until: Timestamp,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if *self.stopping.borrow() || self.app.ledger().now() >= self.until {
            return Err(io::Error::other("the service stops, or the token expired"));
        }
        let piece = Ok(Bytes::copy_from_slice(bytes));
        self.send.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
