//! Between the hub and a connection: one text waits for the client at most.

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

/// What is said first, so that a client knows it is connected before anything happens.
const GREETING: &[u8] = b": following\n\n";

/// What the hub and one connection share.
#[derive(Default)]
pub(super) struct Seat(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    text: Option<Bytes>,
    /// The place after the last text. If the hub is further, it is woken for the next one.
    next: Seq,
    /// Whether the hub knows that the client wants more.
    hungry: bool,
    over: bool,
    waker: Option<Waker>,
}

impl Seat {
    /// Puts down the text up to place `next` for the client. Gives who is to be woken.
    pub(super) fn put(&self, text: Bytes, next: Seq) -> Option<Waker> {
        let mut waiting = self.0.lock();
        waiting.text = Some(text);
        waiting.next = next;
        waiting.hungry = false;
        waiting.waker.take()
    }

    /// Ends the stream.
    pub(super) fn end(&self) {
        let mut waiting = self.0.lock();
        waiting.over = true;
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A new stream, for the hub.
pub(super) struct Joining {
    pub(super) id: Id,
    pub(super) seat: Arc<Seat>,
    pub(super) filter: Filter,
    pub(super) caller: Caller,
    pub(super) next: Seq,
    pub(super) bearer: Bearer,
}

/// What was read from the log for a topic.
pub(super) struct WasRead {
    pub(super) topic: TopicId,
    /// The pieces, in order; `None` if it cannot be read.
    pub(super) pieces: Option<Vec<Piece>>,
    /// Whether it was refused, and is to be tried again.
    pub(super) again: bool,
    pub(super) took: Duration,
}

/// What streams hand to the hub.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) joining: Vec<Joining>,
    pub(super) hungry: Vec<Id>,
    pub(super) gone: Vec<Id>,
    pub(super) read: Vec<WasRead>,
    /// How long a write of so many bytes took, the last one.
    pub(super) written: Option<(usize, Duration)>,
    pub(super) closed: bool,
}

/// The most streams at once.
#[derive(Clone, Copy)]
pub(super) struct Caps {
    /// In all.
    pub(super) all: usize,
    /// Of one account; those who see all accounts count as one.
    pub(super) per_account: usize,
}

/// Why a stream was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// Its account has as many as it may have.
    Account,
    /// There are as many as there may be.
    All,
}

/// Where the hub is told something, and who is there.
#[derive(Default)]
pub(crate) struct Shared {
    pub(super) inbox: Mutex<Inbox>,
    pub(super) changed: Notify,
    /// Everything before this place is shown.
    pub(super) at: AtomicU64,
    open: Mutex<Open>,
    ids: AtomicU64,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_account: HashMap<Option<Account>, usize>,
}

/// A place among the streams there may be. Dropped, it is free again.
pub(crate) struct Permit {
    shared: Arc<Shared>,
    account: Option<Account>,
}

impl Shared {
    /// How many streams are open.
    pub(super) fn open(&self) -> usize {
        self.open.lock().all
    }

    /// A place for a stream of `account`, or of one who sees all accounts.
    pub(super) fn enter(
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

/// The body of a stream's answer. Dropped with its connection, it leaves the hub.
pub(crate) struct Following {
    id: Id,
    seat: Arc<Seat>,
    permit: Permit,
    /// The last text that was given out, and when.
    given: Option<(usize, Instant)>,
}

impl Following {
    /// A stream of `caller`, whom the hub is told of.
    pub(crate) fn join(
        permit: Permit,
        caller: Caller,
        bearer: Bearer,
        filter: Filter,
        next: Seq,
    ) -> Following {
        let shared = &permit.shared;
        let id = shared.ids.fetch_add(1, Ordering::Relaxed);
        let seat = Arc::<Seat>::default();
        seat.put(Bytes::from_static(GREETING), next);
        let joining = Joining { id, seat: Arc::clone(&seat), filter, caller, next, bearer };
        let mut inbox = shared.inbox.lock();
        if inbox.closed {
            seat.end();
        } else {
            inbox.joining.push(joining);
        }
        drop(inbox);
        shared.changed.notify_one();
        Following { id, seat, permit, given: None }
    }
}

impl Body for Following {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let written = self.given.take().map(|(bytes, at)| (bytes, at.elapsed()));
        let mut waiting = self.seat.0.lock();
        if let Some(text) = waiting.text.take() {
            drop(waiting);
            self.given = Some((text.len(), Instant::now()));
            return Poll::Ready(Some(Ok(Frame::data(text))));
        }
        if waiting.over {
            return Poll::Ready(None);
        }
        if waiting.waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            waiting.waker = Some(context.waker().clone());
        }
        if !std::mem::replace(&mut waiting.hungry, true) {
            let next = waiting.next;
            drop(waiting);
            let shared = &self.permit.shared;
            let mut inbox = shared.inbox.lock();
            inbox.hungry.push(self.id);
            inbox.written = written.or(inbox.written);
            drop(inbox);
            // After the inbox: the hub stores its place before it looks into that again.
            if shared.at.load(Ordering::SeqCst) > next.0 {
                shared.changed.notify_one();
            }
        }
        Poll::Pending
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut inbox = self.permit.shared.inbox.lock();
        if !inbox.closed {
            inbox.gone.push(self.id);
        }
        drop(inbox);
        self.permit.shared.changed.notify_one();
    }
}
