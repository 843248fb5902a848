//! Those who are behind what is held: the log is read for them, a few filters at a time.

use std::sync::Arc;
use std::time::Duration;

use ledger::{Entry, Seq, Walk};
use tokio::time::Instant;

use super::{Hub, Spot};
use crate::stream::bounds::Bounds;
use crate::stream::piece::{Meter, Piece, PieceBuilder};
use crate::stream::seat::WasRead;
use crate::stream::topics::{Id, TopicId};

/// What is read for the topics that have somebody behind.
#[derive(Default)]
pub(super) struct Behind {
    pub(super) streams: Vec<Id>,
    /// Whether it waits to be read, or is.
    reading: bool,
}

impl Hub {
    /// Has the log read for a topic that somebody of is behind.
    pub(super) fn want(&mut self, topic: TopicId) {
        let Some(behind) = self.behind.get_mut(&topic) else { return };
        if behind.reading {
            return;
        }
        let share = behind.streams.iter().find_map(|id| self.streams.get(id));
        if let Some(stream) = share {
            behind.reading = true;
            self.reads.push(&stream.share, topic);
        } else {
            self.behind.remove(&topic);
        }
    }

    /// Reads for those who are behind, a few topics at a time, as far as the credit goes.
    pub(super) fn read(&mut self) {
        let now = Instant::now();
        while !self.reads.is_empty()
            && self.reading < self.bounds.reads
            && self.pace.has_credit(now)
        {
            let Some(topic) = self.reads.pop() else { return };
            let Some(behind) = self.behind.get(&topic) else { continue };
            let Some(filter) = self.topics.filter(topic).cloned() else { continue };
            let first = behind.streams.iter().find_map(|id| self.streams.get(id));
            let Some((caller, next)) = first.map(|first| (first.caller.clone(), first.next)) else {
                self.behind.remove(&topic);
                continue;
            };
            self.topics.arriving(topic, next);
            self.reading += 1;
            let (app, shared) = (self.app.clone(), Arc::clone(&self.shared));
            let (bounds, meter) = (self.bounds, self.topics.meter.clone());
            tokio::spawn(async move {
                let key = filter.key;
                let filter = filter.events();
                let read = app.read(caller, move |ledger, caller| {
                    let began = Instant::now();
                    let length = *ledger.length().borrow();
                    let page = ledger.events(caller, &filter, Walk::Up(next), bounds.page)?;
                    let until = match (page.next, page.items.last()) {
                        (Some(Walk::Up(next) | Walk::Down(next)), _) => next,
                        (None, Some(last)) => last.seq.next().max(length),
                        (None, None) => length,
                    };
                    let pieces = pieces(&page.items, key, next..until, &bounds, &meter);
                    Ok((pieces, began.elapsed()))
                });
                let (pieces, took, again) = match read.await {
                    Ok((pieces, took)) => (Some(pieces), took, false),
                    Err(ledger::Error::Overloaded) => (None, Duration::ZERO, true),
                    Err(_) => (None, Duration::ZERO, false),
                };
                shared.inbox.lock().read.push(WasRead { topic, pieces, again, took });
                shared.changed.notify_one();
            });
        }
    }

    /// Goes on with those for whom the log was read.
    pub(super) fn was_read(&mut self, read: WasRead) {
        let WasRead { topic, pieces, again, took } = read;
        self.reading -= 1;
        self.pace.spend(took);
        let Some(behind) = self.behind.get_mut(&topic) else { return };
        behind.reading = false;
        if again {
            self.again.push((Instant::now() + self.bounds.again, topic));
            return;
        }
        let Some(behind) = self.behind.remove(&topic) else { return };
        let failed = pieces.is_none();
        for piece in pieces.into_iter().flatten() {
            self.topics.hold(topic, piece);
        }
        for id in behind.streams {
            if failed {
                // The client sees its stream end, and comes again with the id of its last event.
                self.end(id);
            } else if let Some(stream) = self.streams.get_mut(&id) {
                stream.spot = Spot::Turn;
                self.turns.push(&stream.share, id);
            }
        }
    }
}

/// Events of these `places` as pieces, or the first of them: no more than are held,
/// or those who wait for the first ones would not find them.
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
        if builder.len() >= bounds.piece {
            let full = std::mem::replace(&mut builder, PieceBuilder::new(entry.seq));
            pieces.push(full.finish(entry.seq, meter));
            if pieces.len() >= bounds.read_pieces {
                return pieces;
            }
        }
        builder.write(entry, key);
    }
    pieces.push(builder.finish(places.end, meter));
    pieces
}
