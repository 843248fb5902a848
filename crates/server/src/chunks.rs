//! Answers that are made piece by piece as the client takes them: one piece waits at most, so that
//! neither a long answer nor a slow client makes memory grow.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use keys::Timestamp;
use ledger::Ledger;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::reads::Share;
use crate::{ApiError, App, wire};

/// Answers what `next` makes until it makes no more; it may read the disk.
///
/// The answer is cut off, and not ended, when the token expires, the service stops or the log
/// cannot be read: a client must not take a part for the whole.
pub(crate) async fn answer(
    app: &App,
    share: Share,
    content_type: &'static str,
    expires_at: Timestamp,
    next: impl FnMut(&Ledger) -> Result<Option<Bytes>, ledger::Error> + Send + 'static,
) -> Result<Response, ApiError> {
    // The first piece is made before the answer's head, so that a refusal can still be one.
    let (mut piece, mut next) = made(app, &share, next).await?;
    let (send, receive) = mpsc::channel::<io::Result<Bytes>>(1);
    let (app, stopping) = (app.clone(), app.stopping());
    tokio::spawn(async move {
        while let Some(text) = piece {
            if !text.is_empty() && send.send(Ok(text)).await.is_err() {
                return;
            }
            let over = *stopping.borrow() || app.ledger().now() >= expires_at;
            let following =
                if over { Err(()) } else { made(&app, &share, next).await.map_err(drop) };
            let Ok(following) = following else {
                let _ = send.send(Err(io::Error::other("cut off"))).await;
                return;
            };
            (piece, next) = following;
        }
    });
    let body = Body::from_stream(ReceiverStream::new(receive));
    Ok(wire::typed(StatusCode::OK, HeaderValue::from_static(content_type), body))
}

async fn made<N>(app: &App, share: &Share, mut next: N) -> Result<(Option<Bytes>, N), ledger::Error>
where
    N: FnMut(&Ledger) -> Result<Option<Bytes>, ledger::Error> + Send + 'static,
{
    let make = move |ledger: &Ledger| Ok((next(ledger)?, next));
    app.reads().run(share.clone(), app.ledger(), make).await?
}
