//! The state that the hub and one connection share: a slot for at most one text.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use keys::Account;
use ledger::{Caller, Seq};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::piece::Piece;
use super::topics::{Filter, Id, TopicId};
use crate::auth::bearer::Bearer;

/// Sent first, so that a client knows that it is connected before the first event.
const GREETING: &[u8] = b": following\n\n";

/// A channel from the hub to one connection that holds one text.
#[derive(Default)]
pub(super) struct Slot(Mutex<SlotState>);

#[derive(Default)]
struct SlotState {
    text: Option<Bytes>,
    /// The place after the last text. When the hub has passed it, it is woken for the next text.
    next: Seq,
    /// Whether the hub was notified that the client takes the next text.
    ready: bool,
    ended: bool,
    waker: Option<Waker>,
}

impl Slot {
    /// Stores the text up to `next`. Returns the waker of the connection.
    pub(super) fn put(&self, text: Bytes, next: Seq) -> Option<Waker> {
        let mut state = self.0.lock();
        state.text = Some(text);
        state.next = next;
        state.ready = false;
        state.waker.take()
    }

    /// Ends the stream.
    pub(super) fn end(&self) {
        let mut state = self.0.lock();
        state.ended = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A new stream, as the hub receives it.
pub(super) struct Subscription {
    pub(super) id: Id,
    pub(super) slot: Arc<Slot>,
    pub(super) filter: Filter,
    pub(super) caller: Caller,
    pub(super) next: Seq,
    pub(super) bearer: Bearer,
}

/// The result of a read of the log for a topic.
pub(super) struct ReadResult {
    pub(super) topic: TopicId,
    /// The pieces, in order; `None` if the log cannot be read.
    pub(super) pieces: Option<Vec<Piece>>,
    /// Whether the pool refused it; it is retried.
    pub(super) retry: bool,
    pub(super) took: Duration,
    /// How often everything had been dropped when it began.
    pub(super) forgotten: u64,
}

/// Messages to the hub.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) subscribed: Vec<Subscription>,
    pub(super) ready: Vec<Id>,
    pub(super) disconnected: Vec<Id>,
    pub(super) reads: Vec<ReadResult>,
    /// The bytes of the last write, and the time it took.
    pub(super) last_write: Option<(usize, Duration)>,
    /// Whether a person was erased, whom cached texts may name.
    pub(super) forget: bool,
    pub(super) closed: bool,
}

/// The limits on open streams.
#[derive(Clone, Copy)]
pub(super) struct Caps {
    /// All streams together.
    pub(super) all: usize,
    /// The streams of one account; callers with scope `*` count as one account.
    pub(super) per_account: usize,
}

/// Why a stream was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The limit of its account is reached.
    Account,
    /// The limit of the service is reached.
    All,
}

/// The state that the hub and all connections share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(super) inbox: Mutex<Inbox>,
    pub(super) changed: Notify,
    /// The place up to which the hub has delivered.
    pub(super) at: AtomicU64,
    open: Mutex<Open>,
    ids: AtomicU64,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_account: HashMap<Option<Account>, usize>,
}

/// Counts one open stream until it is dropped.
pub(crate) struct Permit {
    shared: Arc<Shared>,
    account: Option<Account>,
}

impl Shared {
    /// The number of open streams.
    pub(super) fn open(&self) -> usize {
        self.open.lock().all
    }

    /// Counts a stream of `account`; `None` is a caller with scope `*`.
    pub(super) fn admit(
        self: &Arc<Shared>,
        account: Option<Account>,
        caps: Caps,
    ) -> Result<Permit, Full> {
        let mut open = self.open.lock();
        if open.all >= caps.all {
            return Err(Full::All);
        }
        let mine = open.by_account.entry(account.clone()).or_default();
        if *mine >= caps.per_account {
            return Err(Full::Account);
        }
        *mine += 1;
        open.all += 1;
        Ok(Permit { shared: Arc::clone(self), account })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.shared.open.lock();
        open.all -= 1;
        if let Some(mine) = open.by_account.get_mut(&self.account) {
            *mine -= 1;
            if *mine == 0 {
                open.by_account.remove(&self.account);
            }
        }
    }
}

/// The body of a stream's response. When its connection drops it, the hub removes the stream.
pub(crate) struct StreamBody {
    id: Id,
    slot: Arc<Slot>,
    permit: Permit,
    /// The length of the last text, and when the connection took it.
    taken: Option<(usize, Instant)>,
}

impl StreamBody {
    /// Subscribes `caller` to the hub.
    pub(crate) fn join(
        permit: Permit,
        caller: Caller,
        bearer: Bearer,
        filter: Filter,
        next: Seq,
    ) -> StreamBody {
        let shared = &permit.shared;
        let id = shared.ids.fetch_add(1, Ordering::Relaxed);
        let slot = Arc::<Slot>::default();
        slot.put(Bytes::from_static(GREETING), next);
        let subscription =
            Subscription { id, slot: Arc::clone(&slot), filter, caller, next, bearer };
        let mut inbox = shared.inbox.lock();
        if inbox.closed {
            slot.end();
        } else {
            inbox.subscribed.push(subscription);
        }
        drop(inbox);
        shared.changed.notify_one();
        StreamBody { id, slot, permit, taken: None }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let written = self.taken.take().map(|(bytes, at)| (bytes, at.elapsed()));
        let mut state = self.slot.0.lock();
        if let Some(text) = state.text.take() {
            drop(state);
            self.taken = Some((text.len(), Instant::now()));
            return Poll::Ready(Some(Ok(Frame::data(text))));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        if state.waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        if !std::mem::replace(&mut state.ready, true) {
            let next = state.next;
            drop(state);
            let shared = &self.permit.shared;
            let mut inbox = shared.inbox.lock();
            inbox.ready.push(self.id);
            inbox.last_write = written.or(inbox.last_write);
            drop(inbox);
            // After the inbox: the hub stores its place before it drains the inbox again.
            if shared.at.load(Ordering::SeqCst) > next.0 {
                shared.changed.notify_one();
            }
        }
        Poll::Pending
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        let mut inbox = self.permit.shared.inbox.lock();
        if !inbox.closed {
            inbox.disconnected.push(self.id);
        }
        drop(inbox);
        self.permit.shared.changed.notify_one();
    }
}
