//! Catch-up reads: streams behind the cached pieces have the log read, a few filters at a time.

use std::sync::Arc;
use std::time::Duration;

use ledger::{Entry, Page, Seq, Walk};
use tokio::time::Instant;

use super::{Hub, StreamState};
use crate::stream::bounds::Bounds;
use crate::stream::message;
use crate::stream::piece::{Meter, Piece, PieceBuilder};
use crate::stream::subscription::ReadResult;
use crate::stream::topics::{Id, TopicId};

/// The streams of one topic that are behind its cached pieces.
#[derive(Default)]
pub(super) struct Behind {
    pub(super) streams: Vec<Id>,
    /// Whether a read is queued or in progress.
    read_pending: bool,
}

impl Hub {
    /// Queues a read of the log for a topic with streams that are behind.
    pub(super) fn request_read(&mut self, topic: TopicId) {
        let Some(behind) = self.behind.get_mut(&topic) else { return };
        if behind.read_pending {
            return;
        }
        let share = behind.streams.iter().find_map(|id| self.streams.get(id));
        if let Some(stream) = share {
            behind.read_pending = true;
            self.read_queue.push(&stream.share, topic);
        } else {
            self.behind.remove(&topic);
        }
    }

    /// Starts queued reads, a few topics at a time, while there is credit.
    pub(super) fn start_reads(&mut self) {
        let now = Instant::now();
        while !self.read_queue.is_empty()
            && self.active_reads < self.bounds.concurrent_reads
            && self.pace.has_credit(now)
        {
            let Some(topic) = self.read_queue.pop() else { return };
            let Some(behind) = self.behind.get(&topic) else { continue };
            let Some(filter) = self.topics.filter(topic).cloned() else { continue };
            let first = behind.streams.iter().find_map(|id| self.streams.get(id));
            let Some((caller, next)) = first.map(|first| (first.caller.clone(), first.next)) else {
                self.behind.remove(&topic);
                continue;
            };
            self.topics.arriving(topic, next);
            self.active_reads += 1;
            let (app, shared) = (self.app.clone(), Arc::clone(&self.shared));
            let (bounds, meter) = (self.bounds, self.topics.meter.clone());
            let forgotten = self.topics.forgotten;
            tokio::spawn(async move {
                let (key, never) = (filter.key, filter.never);
                let filter = filter.events();
                let read = app.read(caller, move |ledger, caller| {
                    let began = Instant::now();
                    let length = *ledger.length().borrow();
                    let page = if never {
                        Page { items: Vec::new(), next: None }
                    } else {
                        ledger.events(caller, &filter, Walk::Up(next), bounds.page)?
                    };
                    let until = match (page.next, page.items.last()) {
                        (Some(Walk::Up(next) | Walk::Down(next)), _) => next,
                        (None, Some(last)) => last.seq.next().max(length),
                        (None, None) => length,
                    };
                    let pieces = pieces(&page.items, key, next..until, &bounds, &meter);
                    Ok((pieces, began.elapsed()))
                });
                let (pieces, took, retry) = match read.await {
                    Ok((pieces, took)) => (Some(pieces), took, false),
                    Err(ledger::Error::Overloaded) => (None, Duration::ZERO, true),
                    Err(_) => (None, Duration::ZERO, false),
                };
                let result = ReadResult { topic, pieces, retry, took, forgotten };
                shared.inbox.lock().reads.push(result);
                shared.changed.notify_one();
            });
        }
    }

    /// Caches what was read, and queues the streams that waited for it.
    pub(super) fn finish_read(&mut self, read: ReadResult) {
        let ReadResult { topic, pieces, retry, took, forgotten } = read;
        self.active_reads -= 1;
        self.pace.spend(took);
        let Some(behind) = self.behind.get_mut(&topic) else { return };
        behind.read_pending = false;
        if retry || forgotten != self.topics.forgotten {
            self.retries.push((Instant::now() + self.bounds.retry_delay, topic));
            return;
        }
        let Some(behind) = self.behind.remove(&topic) else { return };
        let failed = pieces.is_none();
        for piece in pieces.into_iter().flatten() {
            self.topics.cache(topic, piece);
        }
        for id in behind.streams {
            if failed {
                // The client sees its stream end, and reconnects with the id of its last event.
                self.end(id);
            } else if let Some(stream) = self.streams.get_mut(&id) {
                stream.state = StreamState::Queued;
                self.delivery_queue.push(&stream.share, id);
            }
        }
    }
}

/// The events at `places` as pieces; at most as many pieces as are cached, because the streams wait
/// for the first ones.
fn pieces(
    entries: &[Entry],
    key: Option<keys::KeyId>,
    places: std::ops::Range<Seq>,
    bounds: &Bounds,
    meter: &Meter,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut builder = PieceBuilder::new(places.start);
    for entry in entries {
        if builder.len() >= bounds.piece_bytes {
            let full = std::mem::replace(&mut builder, PieceBuilder::new(entry.seq));
            pieces.push(full.finish(entry.seq, meter));
            if pieces.len() >= bounds.read_pieces {
                return pieces;
            }
        }
        builder.push_with(entry.seq, |text| message::write(text, entry, key));
    }
    pieces.push(builder.finish(places.end, meter));
    pieces
}
