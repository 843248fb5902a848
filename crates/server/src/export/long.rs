//! Long responses, produced piece by piece as the client reads them.
//!
//! Each piece is a separate job of the read pool, charged to the caller's account, and at most one
//! piece is buffered: neither a long response nor a slow client increases memory or occupies a
//! thread. The number of long responses is limited, and one that is not read ends after
//! [`STALL_TIMEOUT`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use ledger::{Caller, Ledger};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;

use crate::app::App;
use crate::auth::bearer::Bearer;
use crate::error::ApiError;
use crate::export::slots::Slot;
use crate::reads::{Overloaded, Share};
use crate::request::authenticated::Reader;
use crate::wire;

/// The longest time in which the client reads nothing, or the pool has no room for a piece.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The delay before a piece is retried that the pool had no room for.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// The most that a client must read within [`STALL_TIMEOUT`], so that a slow line is not a stall.
const FRAME: usize = 64 * 1024;

/// Produces the pieces; it may read the log. `None` is the end; an empty piece means none yet.
pub(crate) trait Pieces:
    FnMut(&Ledger) -> Result<Option<Bytes>, ApiError> + Send + 'static
{
}

impl<F> Pieces for F where F: FnMut(&Ledger) -> Result<Option<Bytes>, ApiError> + Send + 'static {}

/// A long response that was admitted.
pub(crate) struct LongAnswer {
    app: App,
    share: Share,
    /// Whose token must stay valid; `None` for a response that ends by itself.
    bearer: Option<Bearer>,
    slot: Slot,
}

impl LongAnswer {
    /// Admits a long response to `who`, which ends with its token at the latest.
    pub(crate) fn begin(app: &App, who: &Reader) -> Result<LongAnswer, ApiError> {
        let bearer = Some(who.bearer.clone());
        Ok(LongAnswer { bearer, ..LongAnswer::list(app, &who.caller)? })
    }

    /// Admits a list of a present state, which ends by itself.
    pub(crate) fn list(app: &App, caller: &Caller) -> Result<LongAnswer, ApiError> {
        let share = Share::from(caller);
        let slot = app.slots().take(&share)?;
        Ok(LongAnswer { app: app.clone(), share, bearer: None, slot })
    }

    /// Responds with all that `pieces` produces.
    ///
    /// The response is aborted, not ended, when the token expires, the service stops, the client
    /// stalls or the log cannot be read: a client must not take a part for the whole.
    pub(crate) async fn answer(
        self,
        content_type: &'static str,
        pieces: impl Pieces,
    ) -> Result<Response, ApiError> {
        let pieces = Arc::new(Mutex::new(pieces));
        // The first piece is produced before the head, so that an error still has its status.
        let first = self.piece(&pieces).await.map_err(ledger::Error::from)??;
        let (send, receive) = mpsc::channel(1);
        tokio::spawn(self.deliver(first, pieces, send));
        let body = Body::from_stream(Frames { receive, ended: false });
        Ok(wire::typed(StatusCode::OK, HeaderValue::from_static(content_type), body))
    }

    /// Produces a piece on the read pool.
    async fn piece(
        &self,
        pieces: &Arc<Mutex<impl Pieces>>,
    ) -> Result<Result<Option<Bytes>, ApiError>, Overloaded> {
        let pieces = Arc::clone(pieces);
        let make = move |ledger: &Ledger| (*pieces.lock())(ledger);
        self.app.reads().run(self.share.clone(), self.app.ledger(), make).await
    }

    /// Produces a further piece. While the pool is overloaded it retries.
    async fn next(&self, pieces: &Arc<Mutex<impl Pieces>>) -> Result<Option<Bytes>, Aborted> {
        let made = async {
            loop {
                match self.piece(pieces).await {
                    Ok(made) => return made.map_err(|_| Aborted::Failed),
                    Err(Overloaded) => tokio::time::sleep(RETRY_DELAY).await,
                }
            }
        };
        tokio::time::timeout(STALL_TIMEOUT, made).await.unwrap_or(Err(Aborted::Overloaded))
    }

    /// Sends piece after piece. If anything ends it early, the receiver sees no [`Frame::End`].
    async fn deliver(
        self,
        first: Option<Bytes>,
        pieces: Arc<Mutex<impl Pieces>>,
        send: mpsc::Sender<Frame>,
    ) {
        let whole = async {
            let mut piece = first;
            while let Some(bytes) = piece {
                send_piece(&send, bytes).await?;
                piece = self.next(&pieces).await?;
            }
            put(&send, Frame::End).await
        };
        let (stopping, expired) =
            (self.app.stopping(), expired(self.bearer.clone(), self.app.clone()));
        let ended = tokio::select! {
            ended = whole => ended,
            () = send.closed() => Err(Aborted::Disconnected),
            () = expired => Err(Aborted::Expired),
            () = stopped(stopping) => Err(Aborted::Stopping),
        };
        if let Err(why) = ended {
            tracing::debug!(?why, "a long response was aborted");
        }
        drop(self.slot);
    }
}

/// Why a long response was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aborted {
    /// The client disconnected.
    Disconnected,
    /// The client stopped reading.
    Stalled,
    /// The token is no longer accepted.
    Expired,
    /// The service is stopping.
    Stopping,
    /// The read pool was overloaded for too long.
    Overloaded,
    /// The log cannot be read.
    Failed,
}

/// Waits until the token is no longer accepted.
async fn expired(bearer: Option<Bearer>, app: App) {
    match bearer {
        Some(bearer) => bearer.ended(app.auth(), app.ledger()).await,
        None => std::future::pending().await,
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A dropped sender is a stop too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Sends a piece in frames, as fast as they are read.
async fn send_piece(send: &mpsc::Sender<Frame>, mut piece: Bytes) -> Result<(), Aborted> {
    while !piece.is_empty() {
        let frame = piece.split_to(piece.len().min(FRAME));
        put(send, Frame::Bytes(frame)).await?;
    }
    Ok(())
}

/// Sends a frame, unless the client stalls.
async fn put(send: &mpsc::Sender<Frame>, frame: Frame) -> Result<(), Aborted> {
    match tokio::time::timeout(STALL_TIMEOUT, send.send(frame)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Aborted::Disconnected),
        Err(_) => Err(Aborted::Stalled),
    }
}

/// A message to the response body.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Bytes(Bytes),
    /// The response is complete.
    End,
}

/// The response body. It fails, and does not end, when no [`Frame::End`] was received.
struct Frames {
    receive: mpsc::Receiver<Frame>,
    ended: bool,
}

impl Stream for Frames {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.receive.poll_recv(context).map(|frame| match frame {
            Some(Frame::Bytes(bytes)) => Some(Ok(bytes)),
            Some(Frame::End) => {
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                Some(Err(io::Error::other("aborted")))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;
    use tokio_stream::StreamExt as _;

    use super::*;

    const PART: Bytes = Bytes::from_static(b"part");

    /// All that the body yields, an error as `None`.
    async fn taken(frames: Frames) -> Vec<Option<Bytes>> {
        frames.map(Result::ok).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_response_is_aborted_after_thirty_seconds() {
        let (send, receive) = mpsc::channel(1);
        let started = Instant::now();
        send_piece(&send, PART).await.unwrap();
        assert_eq!(send_piece(&send, PART).await, Err(Aborted::Stalled));
        assert_eq!(started.elapsed().as_secs(), 30);
        drop(send);
        // A late reader gets what was buffered, and no end.
        assert_eq!(taken(Frames { receive, ended: false }).await, [Some(PART), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_aborted() {
        let (send, receive) = mpsc::channel(1);
        let mut frames = Frames { receive, ended: false };
        let reading = tokio::spawn(async move {
            let mut read = 0;
            while let Some(bytes) = frames.next().await {
                read += bytes.unwrap().len();
                tokio::time::sleep(Duration::from_secs(29)).await;
            }
            read
        });
        send_piece(&send, Bytes::from(vec![7; 5 * FRAME + 1])).await.unwrap();
        put(&send, Frame::End).await.unwrap();
        assert_eq!(reading.await.unwrap(), 5 * FRAME + 1);
    }

    #[tokio::test]
    async fn only_a_complete_response_ends() {
        for (last, expected) in
            [(Some(Frame::End), vec![Some(PART)]), (None, vec![Some(PART), None])]
        {
            let (send, receive) = mpsc::channel(2);
            send_piece(&send, PART).await.unwrap();
            if let Some(last) = last {
                put(&send, last).await.unwrap();
            }
            drop(send);
            assert_eq!(taken(Frames { receive, ended: false }).await, expected);
        }
    }

    #[tokio::test]
    async fn a_disconnected_client_is_noticed() {
        let (send, receive) = mpsc::channel(1);
        drop(receive);
        assert_eq!(send_piece(&send, PART).await, Err(Aborted::Disconnected));
    }
}
