//! `GET /v1/events/stream`: server-sent events. It catches up, then follows.
//!
//! One event waits for the client at most, and the rest stays in the log: a slow reader falls
//! behind, makes no memory grow, and misses nothing.

#![expect(unused_qualifications, reason = "utoipa names parameters by their whole path")]

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use keys::Timestamp;
use ledger::{Entry, EventFilter, Ledger, Range, Reading, Seq, Walk};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

use crate::auth::Reader;
use crate::connection::Visit;
use crate::events::{Tour, range_for};
use crate::extract::{Query, header_text, number, parse};
use crate::wire::{self, Event};
use crate::{ApiError, App};

/// Events read at once.
const PAGE: usize = 100;
/// How long nothing may be said.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What to follow; what is missing does not matter.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Follow {
    /// Only events after this place; `Last-Event-ID` goes before it.
    after: Option<u64>,
    /// The account of the key.
    account: Option<String>,
    /// The key.
    #[param(format = "uuid")]
    key: Option<String>,
    /// `created`, `enabled`, `disabled`, `expired` or `revoked`.
    r#type: Option<String>,
    /// The subject that acted.
    actor: Option<String>,
}

/// Streams events as they are recorded
///
/// `id` is the event's place, `event` its type. It catches up, then follows.
#[utoipa::path(
    get,
    path = "/v1/events/stream",
    tag = "events",
    params(
        Follow,
        ("Last-Event-ID" = Option<u64>, Header, description = "Only events after this place"),
    ),
    responses((status = 200, content_type = "text/event-stream", body = String)),
)]
pub(crate) async fn stream(
    State(app): State<App>,
    who: Reader,
    visit: Visit,
    headers: HeaderMap,
    Query(asked): Query<Follow>,
) -> Result<Response, ApiError> {
    let after = match header_text(&headers, &HeaderName::from_static("last-event-id"))? {
        None | Some("") => asked.after,
        Some(text) => {
            Some(number(text).ok_or_else(|| ApiError::field("last-event-id", "must be a number"))?)
        }
    };
    let length = app.ledger().length();
    let from = after.map_or(Seq(0), |after| Seq(after).next());
    let end = *length.borrow();
    if from > end {
        return Err(ApiError::field("after", format_args!("the log ends at {}", end.0)));
    }
    let filter = EventFilter {
        account: parse("account", asked.account.as_deref())?,
        key: parse("key", asked.key.as_deref())?,
        kind: parse("type", asked.r#type.as_deref())?,
        actor: parse("actor", asked.actor.as_deref())?,
        from: None,
        to: None,
    };
    let range = Range { from, ..range_for(&filter) };
    app.record(&who.caller, Reading::Stream, range).await?;
    let (send, receive) = mpsc::channel(1);
    let follower = Follower {
        ledger: app.ledger().clone(),
        tour: Tour { caller: who.caller, filter, after: None },
        length,
        stopping: app.stopping(),
        send,
    };
    let expires_in = Duration::from_micros(who.expires_at.micros_since(who.now));
    tokio::spawn(async move {
        let (stopping, expires_at) = (follower.stopping.clone(), who.expires_at);
        tokio::select! {
            () = follower.run(from, expires_at) => {}
            () = stopped(stopping) => {}
            () = tokio::time::sleep(expires_in) => {}
        }
    });
    visit.connection.end_with_client();
    let content_type = HeaderValue::from_static("text/event-stream");
    let body = Body::from_stream(ReceiverStream::new(receive));
    let mut response = wire::typed(StatusCode::OK, content_type, body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Some proxies hold back what they take for one answer.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // The sender lives as long as the app; without it the stream has nothing to follow either.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

struct Follower {
    ledger: Ledger,
    tour: Tour,
    length: watch::Receiver<Seq>,
    stopping: watch::Receiver<bool>,
    send: mpsc::Sender<Result<Bytes, Infallible>>,
}

impl Follower {
    /// Sends until the client goes, the token expires or the log cannot be read. The client sees
    /// its stream end, and comes again with the id of the last event it has.
    async fn run(mut self, mut next: Seq, expires_at: Timestamp) {
        // Said first, so that a client knows it is connected before anything happens.
        let mut said = self.say(Bytes::from_static(b": following\n\n")).await;
        while said && self.ledger.now() < expires_at {
            let known = *self.length.borrow_and_update();
            if next < known {
                let (tour, ledger) = (self.tour.clone(), self.ledger.clone());
                let read = move || tour.read(&ledger, Walk::Up(next), PAGE);
                let Ok(Ok(page)) = tokio::task::spawn_blocking(read).await else { return };
                for entry in &page.items {
                    said = said && self.say(message(entry, &self.tour)).await;
                }
                next = match (page.next, page.items.last()) {
                    (Some(Walk::Up(next) | Walk::Down(next)), _) => next,
                    (None, Some(last)) => last.seq.next().max(known),
                    (None, None) => known,
                };
                continue;
            }
            said = match tokio::time::timeout(HEARTBEAT, self.length.changed()).await {
                Ok(Ok(())) => true,
                Ok(Err(_)) => false,
                Err(_) => self.say(Bytes::from_static(b": heartbeat\n\n")).await,
            };
        }
    }

    /// Whether the client is still there to be told.
    async fn say(&self, text: Bytes) -> bool {
        self.send.send(Ok(text)).await.is_ok()
    }
}

fn message(entry: &Entry, tour: &Tour) -> Bytes {
    let event = Event::for_key(entry, tour.filter.key);
    let mut text = format!("id: {}\nevent: {}\ndata: ", event.seq, event.r#type).into_bytes();
    wire::put_json(&mut text, &event);
    text.extend_from_slice(b"\n\n");
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eventlog::memory::MemoryLog;
    use keys::{Dialect, Subject};
    use ledger::{Caller, Duty, Identity, Options, Origin, Scope, Via};
    use tokio::time::Instant;

    use super::*;

    fn auditor() -> Caller {
        let identity = Identity {
            subject: Subject::new("ann").unwrap(),
            scope: Scope::All,
            duties: [Duty::Auditor].into_iter().collect(),
            via: Via::Token { issuer: "test".into(), jti: None },
        };
        let dialect = Dialect::Native;
        Caller { identity: Arc::new(identity), dialect, origin: Origin::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_is_kept_open_by_a_heartbeat() {
        let log = Arc::new(MemoryLog::new());
        let ledger = Ledger::open(log, Options::default(), &mut |_| {}).unwrap();
        let (send, mut receive) = mpsc::channel(1);
        let (_stop, stopping) = watch::channel(false);
        let filter = EventFilter::default();
        let follower = Follower {
            length: ledger.length(),
            tour: Tour { caller: auditor(), filter, after: None },
            ledger,
            stopping,
            send,
        };
        let following = tokio::spawn(follower.run(Seq(0), Timestamp::MAX));
        let started = Instant::now();
        let mut said = Vec::new();
        for _ in 0..3 {
            let text = receive.recv().await.unwrap().unwrap();
            said.push((started.elapsed().as_secs(), text));
        }
        let said: Vec<_> = said.iter().map(|(at, text)| (*at, &text[..])).collect();
        let heartbeat = &b": heartbeat\n\n"[..];
        assert_eq!(said, [(0, &b": following\n\n"[..]), (15, heartbeat), (30, heartbeat)]);
        drop(receive);
        // Nobody listens any more.
        following.await.unwrap();
    }
}
