//! Long answers, made piece by piece as the client takes them.
//!
//! Each piece is a job of its own on the read pool, in the turn of its caller's account, and one
//! piece waits at most: neither a long answer nor a slow client makes memory grow or holds a thread.
//! How many there are at once is bounded, and one that nobody reads ends after [`PATIENCE`].

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

/// How long nobody may read what is there to be read, or the pool may be too busy for a piece.
const PATIENCE: Duration = Duration::from_secs(30);
/// How soon a piece is tried again for which the pool had no room.
const AGAIN: Duration = Duration::from_millis(100);
/// The most that has to be read within [`PATIENCE`]: a client on a slow line is no dead one.
const FRAME: usize = 64 * 1024;

/// What makes the pieces; it may read the log. `None` is the end, an empty piece is none yet.
pub(crate) trait Pieces:
    FnMut(&Ledger) -> Result<Option<Bytes>, ApiError> + Send + 'static
{
}

impl<F> Pieces for F where F: FnMut(&Ledger) -> Result<Option<Bytes>, ApiError> + Send + 'static {}

/// A long answer for which there is room.
pub(crate) struct LongAnswer {
    app: App,
    share: Share,
    /// Whose token must stay good; `None` for what ends by itself.
    bearer: Option<Bearer>,
    slot: Slot,
}

impl LongAnswer {
    /// Makes room for a long answer to `who`, which ends with its token at the latest.
    pub(crate) fn begin(app: &App, who: &Reader) -> Result<LongAnswer, ApiError> {
        let bearer = Some(who.bearer.clone());
        Ok(LongAnswer { bearer, ..LongAnswer::list(app, &who.caller)? })
    }

    /// Makes room for a list of what there is now, which ends by itself.
    pub(crate) fn list(app: &App, caller: &Caller) -> Result<LongAnswer, ApiError> {
        let share = Share::from(caller);
        let slot = app.slots().take(&share)?;
        Ok(LongAnswer { app: app.clone(), share, bearer: None, slot })
    }

    /// Answers what `pieces` makes until it makes no more.
    ///
    /// The answer is cut off, and not ended, when the token expires, the service stops, nobody
    /// reads it or the log cannot be read: a client must not take a part for the whole.
    pub(crate) async fn answer(
        self,
        content_type: &'static str,
        pieces: impl Pieces,
    ) -> Result<Response, ApiError> {
        let pieces = Arc::new(Mutex::new(pieces));
        // The first piece is made before the answer's head, so that a refusal can still be one.
        let first = self.piece(&pieces).await.map_err(ledger::Error::from)??;
        let (send, receive) = mpsc::channel(1);
        tokio::spawn(self.deliver(first, pieces, send));
        let body = Body::from_stream(Frames { receive, over: false });
        Ok(wire::typed(StatusCode::OK, HeaderValue::from_static(content_type), body))
    }

    /// Makes a piece, in its share's turn.
    async fn piece(
        &self,
        pieces: &Arc<Mutex<impl Pieces>>,
    ) -> Result<Result<Option<Bytes>, ApiError>, Overloaded> {
        let pieces = Arc::clone(pieces);
        let make = move |ledger: &Ledger| (*pieces.lock())(ledger);
        self.app.reads().run(self.share.clone(), self.app.ledger(), make).await
    }

    /// Makes a piece for an answer under way: where the pool is too busy, it waits for it.
    async fn next(&self, pieces: &Arc<Mutex<impl Pieces>>) -> Result<Option<Bytes>, Cut> {
        let made = async {
            loop {
                match self.piece(pieces).await {
                    Ok(made) => return made.map_err(|_| Cut::Failed),
                    Err(Overloaded) => tokio::time::sleep(AGAIN).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, made).await.unwrap_or(Err(Cut::Overloaded))
    }

    /// Hands over piece after piece. Whatever ends it early, the receiver sees no [`Frame::End`].
    async fn deliver(
        self,
        first: Option<Bytes>,
        pieces: Arc<Mutex<impl Pieces>>,
        send: mpsc::Sender<Frame>,
    ) {
        let whole = async {
            let mut piece = first;
            while let Some(bytes) = piece {
                hand_over(&send, bytes).await?;
                piece = self.next(&pieces).await?;
            }
            put(&send, Frame::End).await
        };
        let (stopping, over) = (self.app.stopping(), over(self.bearer.clone(), self.app.clone()));
        let ended = tokio::select! {
            ended = whole => ended,
            () = send.closed() => Err(Cut::Gone),
            () = over => Err(Cut::Expired),
            () = stopped(stopping) => Err(Cut::Stopping),
        };
        if let Err(why) = ended {
            tracing::debug!(?why, "a long answer was cut off");
        }
        drop(self.slot);
    }
}

/// Why a long answer was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The client went away.
    Gone,
    /// The client did not read for too long.
    Unread,
    /// The token is not accepted any more.
    Expired,
    /// The service stops.
    Stopping,
    /// The pool had no room for too long.
    Overloaded,
    /// The log cannot be read.
    Failed,
}

/// Waits until the token is no longer good.
async fn over(bearer: Option<Bearer>, app: App) {
    match bearer {
        Some(bearer) => bearer.ended(app.auth(), app.ledger()).await,
        None => std::future::pending().await,
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A sender that is gone is a stop too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Hands over a piece, as fast as it is taken.
async fn hand_over(send: &mpsc::Sender<Frame>, mut piece: Bytes) -> Result<(), Cut> {
    while !piece.is_empty() {
        let frame = piece.split_to(piece.len().min(FRAME));
        put(send, Frame::Bytes(frame)).await?;
    }
    Ok(())
}

/// Hands over a frame, unless the one before it is not taken for too long.
async fn put(send: &mpsc::Sender<Frame>, frame: Frame) -> Result<(), Cut> {
    match tokio::time::timeout(PATIENCE, send.send(frame)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Cut::Gone),
        Err(_) => Err(Cut::Unread),
    }
}

/// What is handed over.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Bytes(Bytes),
    /// All of it was handed over.
    End,
}

/// The client's side. It fails, and does not end, where the end was not handed over.
struct Frames {
    receive: mpsc::Receiver<Frame>,
    over: bool,
}

impl Stream for Frames {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        self.receive.poll_recv(context).map(|frame| match frame {
            Some(Frame::Bytes(bytes)) => Some(Ok(bytes)),
            Some(Frame::End) => {
                self.over = true;
                None
            }
            None => {
                self.over = true;
                Some(Err(io::Error::other("cut off")))
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

    /// What the client's side gives from now on, an error as `None`.
    async fn taken(frames: Frames) -> Vec<Option<Bytes>> {
        frames.map(Result::ok).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_for_thirty_seconds_is_cut_off() {
        let (send, receive) = mpsc::channel(1);
        let started = Instant::now();
        hand_over(&send, PART).await.unwrap();
        assert_eq!(hand_over(&send, PART).await, Err(Cut::Unread));
        assert_eq!(started.elapsed().as_secs(), 30);
        drop(send);
        // Whoever reads after all gets what was there, and no end.
        assert_eq!(taken(Frames { receive, over: false }).await, [Some(PART), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_cut_off() {
        let (send, receive) = mpsc::channel(1);
        let mut frames = Frames { receive, over: false };
        let reading = tokio::spawn(async move {
            let mut read = 0;
            while let Some(bytes) = frames.next().await {
                read += bytes.unwrap().len();
                tokio::time::sleep(Duration::from_secs(29)).await;
            }
            read
        });
        hand_over(&send, Bytes::from(vec![7; 5 * FRAME + 1])).await.unwrap();
        put(&send, Frame::End).await.unwrap();
        assert_eq!(reading.await.unwrap(), 5 * FRAME + 1);
    }

    #[tokio::test]
    async fn only_what_was_ended_ends() {
        for (last, expected) in
            [(Some(Frame::End), vec![Some(PART)]), (None, vec![Some(PART), None])]
        {
            let (send, receive) = mpsc::channel(2);
            hand_over(&send, PART).await.unwrap();
            if let Some(last) = last {
                put(&send, last).await.unwrap();
            }
            drop(send);
            assert_eq!(taken(Frames { receive, over: false }).await, expected);
        }
    }

    #[tokio::test]
    async fn a_client_that_went_away_is_noticed() {
        let (send, receive) = mpsc::channel(1);
        drop(receive);
        assert_eq!(hand_over(&send, PART).await, Err(Cut::Gone));
    }
}
