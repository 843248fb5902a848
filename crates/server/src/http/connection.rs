//! A connection and the requests that come over it: what handlers know beyond the request itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::auth::checked::Token;
use crate::auth::last_token::LastToken;
use crate::http::admission::Place;
use crate::http::peer::Watch;

/// Who is at its other end, and what the requests before have shown.
pub(crate) struct Connection {
    /// The address at the other end; unknown where there is no connection.
    pub(crate) peer: Option<IpAddr>,
    /// What it may ask for.
    pub(crate) place: Place,
    /// The token that came last.
    pub(crate) token: LastToken<Arc<Token>>,
    /// A [`Watch`] as a number.
    watch: AtomicU8,
    /// Whether the present answer shows what could not be recorded as read.
    unrecorded: AtomicBool,
}

impl Connection {
    pub(crate) fn new(peer: Option<IpAddr>, place: Place) -> Connection {
        let (token, watch) = (LastToken::default(), AtomicU8::new(Watch::Nothing as u8));
        Connection { peer, place, token, watch, unrecorded: AtomicBool::new(false) }
    }

    /// Has the present answer say that the reading was not recorded.
    pub(crate) fn say_unrecorded(&self) {
        self.unrecorded.store(true, Ordering::Relaxed);
    }

    /// Whether the answer has to say that, once.
    pub(crate) fn is_unrecorded(&self) -> bool {
        // Looked at first: this is asked for every answer, and hardly ever so.
        self.unrecorded.load(Ordering::Relaxed) && self.unrecorded.swap(false, Ordering::Relaxed)
    }

    /// Has the connection, and with it the present answer, end as soon as the client closes its
    /// half: for an answer that has no end of its own. It holds until the next request.
    pub(crate) fn end_with_client(&self) {
        self.watch.store(Watch::Closed as u8, Ordering::Relaxed);
    }

    /// A request begins: what the one before had watched is over.
    pub(crate) fn begin(&self) {
        if self.watch() != Watch::Nothing {
            self.watch.store(Watch::Nothing as u8, Ordering::Relaxed);
        }
    }

    /// The answer takes time: its work ends if the client breaks off.
    pub(crate) fn wait(&self) {
        self.change(Watch::Nothing, Watch::Broken);
    }

    /// The answer that took time is there.
    pub(crate) fn wait_no_more(&self) {
        self.change(Watch::Broken, Watch::Nothing);
    }

    fn change(&self, from: Watch, to: Watch) {
        let (from, to) = (from as u8, to as u8);
        let _ = self.watch.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// What is watched for at present.
    #[expect(clippy::expect_used, reason = "only a `Watch` is ever stored")]
    pub(crate) fn watch(&self) -> Watch {
        let watch = self.watch.load(Ordering::Relaxed);
        let all = [Watch::Nothing, Watch::Broken, Watch::Closed];
        all.into_iter().find(|one| *one as u8 == watch).expect("it is stored from a `Watch`")
    }
}
